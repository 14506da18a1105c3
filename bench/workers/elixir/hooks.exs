defmodule Bench.Hooks do
  # What hooks and calls bring to this VM while a program runs.

  import Bench.Ports, only: [once: 2, timed: 2]

  alias Bench.Engine
  alias Davit.Graph, as: G
  alias Davit.Hooks.Event

  @patience 60_000

  @doc "Events a second of float32[16] into this process, from a loop that is known to go round so often."
  def counted(count) do
    name = "counted #{count}"

    program =
      Engine.program(name, fn ->
        G.build([{:float32, {16}}], fn x ->
          G.for_loop(count, x, fn _, x -> x |> G.add(1) |> G.hook(name) end)
        end)
      end)

    events(name, program, [Engine.vector()], count)
  end

  @doc "The same from a loop whose values tell when it ends."
  def dynamic(count) do
    name = "dynamic #{count}"

    program =
      Engine.program(name, fn ->
        G.build([{:float32, {16}}, {:float32, {}}], fn x, bound ->
          below? = fn x -> x |> G.max() |> G.less(bound) end
          G.while(x, below?, fn x -> x |> G.add(1) |> G.hook(name) end)
        end)
      end)

    events(name, program, [Engine.vector(), count + 0.5], count)
  end

  defp events(name, program, inputs, count) do
    ref = subscription(name)

    [time] =
      timed(1, fn ->
        run = Task.async(fn -> Davit.run(program, inputs) end)
        read(ref, 0, count)
        Task.await(run, @patience)
      end)

    [count / (time / 1.0e6)]
  end

  defp subscription(name) do
    once({:subscription, name}, fn ->
      {:ok, ref} = Davit.Hooks.subscribe(name)
      ref
    end)
  end

  # Every event once, in order.
  defp read(_ref, count, count), do: :ok

  defp read(ref, next, count) do
    receive do
      {:davit_hook, ^ref, %Event{seq: ^next}} -> read(ref, next + 1, count)
    after
      @patience -> raise "event #{next} of #{count} did not come"
    end
  end

  @doc """
  So many events of so many bytes for a process that reads none of them until no more come. Then: the events in its
  mailbox, how much memory the binaries of this VM have grown, and the engine, in MiB.
  """
  def slow_reader(count, bytes) do
    name = "slow #{count} #{bytes}"

    program =
      Engine.program(name, fn ->
        G.build([{:float32, {div(bytes, 4)}}], fn x ->
          G.for_loop(count, x, fn _, x -> x |> G.add(1) |> G.hook(name) end)
        end)
      end)

    input = Davit.Tensor.from_binary(:binary.copy(<<0>>, bytes), {:float32, {div(bytes, 4)}})
    events(name, program, [input], count)
    :erlang.garbage_collect()
    before = {:erlang.memory(:binary), engine_bytes()}

    run = Task.async(fn -> Davit.run(program, [input]) end)
    waiting = until_quiet(-1, 0)
    {vm, engine} = before
    grown = [:erlang.memory(:binary) - vm, engine_bytes() - engine]
    read(subscription(name), 0, count)
    Task.await(run, @patience)
    [waiting | Enum.map(grown, &(&1 / 1_048_576))]
  end

  # The length of the mailbox once it has not changed for a while.
  defp until_quiet(length, 5), do: length

  defp until_quiet(length, times) do
    Process.sleep(100)

    case Process.info(self(), :message_queue_len) do
      {_, ^length} when length > 0 -> until_quiet(length, times + 1)
      {_, length} -> until_quiet(length, 0)
    end
  end

  defp engine_bytes do
    {:os_pid, pid} = Port.info(Davit.Engine.session!().port, :os_pid)
    {kib, 0} = System.cmd("ps", ["-o", "rss=", "-p", "#{pid}"])
    1024 * (kib |> String.trim() |> String.to_integer())
  end

  @doc "A call in every iteration of a loop, answered by this process: microseconds each."
  def call_loop(count) do
    program =
      Engine.program({:calls, count}, fn ->
        type = {:float32, {16}}
        G.build([type], fn x -> G.for_loop(count, x, fn _, x -> G.callback(x, "echo", type) end) end)
      end)

    answer = fn event -> Event.value(event) end
    [time] = timed(1, fn -> Davit.run(program, [Engine.vector()], callbacks: [{"echo", answer}]) end)
    [time / count]
  end

  @doc """
  The same with so many other messages in this process's mailbox. They are off its heap: on it, each collection of its
  garbage would look at them.
  """
  def call_loop_among(count, waiting) do
    before = Process.flag(:message_queue_data, :off_heap)
    for n <- 1..waiting, do: send(self(), {:waiting, n})
    :erlang.garbage_collect()
    samples = call_loop(count)
    for n <- 1..waiting, do: receive(do: ({:waiting, ^n} -> :ok))
    Process.flag(:message_queue_data, before)
    samples
  end
end
