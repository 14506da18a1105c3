defmodule Davit.RealEngine.MailboxTest do
  # A process that waits for the engine does not look at the other messages in its mailbox. Each message that a receive looks
  # at counts as a reduction.
  use ExUnit.Case, async: false
  @moduletag :engine

  alias Davit.{Hooks, Real, Tensor}
  alias Davit.Graph, as: G
  alias Davit.Hooks.Event

  @waiting 50_000
  @rounds 40
  @type_ {:float32, {4}}
  @input [1, 2, 3, 4]

  setup_all do
    on_exit(fn -> Davit.Engine.stop() end)
  end

  defp load(fun), do: [@type_] |> G.build(fun) |> Davit.load()
  defp loop(fun), do: load(&G.for_loop(@rounds, &1, fn _, x -> fun.(x) end))

  # Returns how many more reductions `fun` takes while many messages are in the mailbox.
  defp excess(fun) do
    fun.()
    alone = reductions(fun)
    for n <- 1..@waiting, do: send(self(), {:waiting, n})
    among = reductions(fun)
    assert {:message_queue_len, @waiting} = Process.info(self(), :message_queue_len)
    Real.flush()
    among - alone
  end

  defp reductions(fun) do
    {:reductions, before} = Process.info(self(), :reductions)
    fun.()
    {:reductions, later} = Process.info(self(), :reductions)
    later - before
  end

  # A call may look at all messages a few times, to flush its own when it ends, but not once in each round.
  defp assert_marked(fun), do: assert(excess(fun) < @rounds / 4 * @waiting)

  test "calls in a loop" do
    program = loop(&G.callback(&1, "echo", @type_))
    assert_marked(fn -> Davit.run(program, [@input], callbacks: [{"echo", &Event.value/1}]) end)
  end

  test "hooks in a loop" do
    program = loop(&(&1 |> G.add(1) |> G.callback("echo", @type_) |> G.hook("h")))
    options = [callbacks: [{"echo", &Event.value/1}], hooks: [{"h", & &1}]]
    assert_marked(fn -> Davit.run(program, [@input], options) end)
  end

  test "runs one after the other, and many at once" do
    program = load(&G.add(&1, 1))
    assert_marked(fn -> for _ <- 1..@rounds, do: Davit.run(program, [@input]) end)
    assert_marked(fn -> for _ <- 1..@rounds, do: Davit.run(program, [@input], keep: true) end)
    inputs = List.duplicate([@input], 1_000)
    assert_marked(fn -> Davit.run_many(program, inputs) end)
  end

  test "tensors sent and read" do
    large = :binary.copy(<<1>>, 100_000)

    assert_marked(fn ->
      for _ <- 1..@rounds do
        assert large == large |> Tensor.from_binary({:uint8, {100_000}}) |> Tensor.to_binary()
      end
    end)
  end

  test "a stream of events" do
    program = load(&G.hook(&1, "streamed"))

    runner =
      spawn_link(fn ->
        for _ <- 1..@rounds do
          receive do: (:next -> Davit.run(program, [@input]))
        end
      end)

    # Each event is asked for by itself.
    next = fn -> send(runner, :next) end

    count = fn ->
      "streamed"
      |> Hooks.stream(started: next)
      |> Stream.each(fn _ -> next.() end)
      |> Enum.take(div(@rounds, 2) - 1)
    end

    count.()
    for n <- 1..@waiting, do: send(self(), {:waiting, n})
    assert reductions(count) < @rounds / 8 * @waiting
    Real.flush()
  end
end
