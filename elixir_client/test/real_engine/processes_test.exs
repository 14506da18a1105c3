defmodule Davit.RealEngine.ProcessesTest do
  # Many processes with a run under way each, on the real engine.
  use ExUnit.Case, async: false

  alias Davit.{Engine, Real}
  alias Davit.Graph, as: G

  @moduletag :engine
  @moduletag timeout: 300_000

  test "20,000 processes may have a run under way each" do
    engine = Real.start()
    type = {:float32, {}}
    graph = G.build([type], fn x -> x |> G.callback(&__MODULE__.wait/1, type) |> G.add(1) end)
    program = Davit.load(graph, engine: engine)
    test = self()

    run = fn n ->
      Process.put(:test, test)
      [result] = Davit.run(program, [n])
      send(test, {:done, self(), Davit.Tensor.to_list(result)})
    end

    pids = for n <- 1..20_000, do: spawn_link(fn -> run.(n) end)
    # All are in their handlers at once.
    for pid <- pids, do: assert_receive({:waits, ^pid}, 120_000)
    for pid <- pids, do: send(pid, :go)

    for {pid, n} <- Enum.with_index(pids, 1) do
      assert_receive {:done, ^pid, result}, 120_000
      assert result == n + 1.0
    end

    assert Engine.status(engine) == :up
    assert {_, []} = Process.info(self(), :messages)
  end

  def wait(event) do
    send(Process.get(:test), {:waits, self()})
    receive do: (:go -> Davit.Hooks.Event.value(event))
  end
end
