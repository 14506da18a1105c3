Code.ensure_loaded!(Nx.Defn.Kernel)

defmodule Bench.Nx do
  # What programs do with Nx, on any backend.

  import Bench.Ports, only: [once: 2, timed: 2]
  import Nx.Defn

  @doc "Starts the engine, and chooses the backend and the compiler."
  def start do
    once(:nx, fn ->
      [_node, repository | names] = System.argv()
      command = [:persistent_term.get({Bench, :node}), Path.join(repository, "dist/cli/main.js"), "port"]
      Application.put_env(:davit, :engine, command: command)
      [backend, compiler] = Enum.take(names ++ Enum.drop(["Davit.Backend", "Davit"], length(names)), 2)
      Nx.global_default_backend(module(backend))
      Nx.Defn.global_default_options(compiler: module(compiler))
      :started
    end)
  end

  defp module(name), do: Module.concat([name])

  # A vector of 64 numbers where the backend keeps its results.
  defp vector do
    start()
    once(:vector, fn -> Nx.add(Nx.iota({64}, type: :f32), 1) end)
  end

  @doc "x + 1 of a compiled function on f32[16], called and read: microseconds each."
  def call(count) do
    start()
    add = once(:add, fn -> Nx.Defn.jit(&Nx.add(&1, 1)) end)
    x = once(:x, fn -> Nx.iota({16}, type: :f32) end)
    timed(count, fn -> Nx.to_binary(add.(x)) end)
  end

  @doc "So many additions of a tensor, one after the other, then a read: milliseconds."
  def eager_tensor(count) do
    x = vector()
    milliseconds(fn -> Nx.to_binary(chain(count, x, x)) end)
  end

  @doc "So many additions of a number."
  def eager_literal(count) do
    x = vector()
    milliseconds(fn -> Nx.to_binary(chain(count, x, 1.0)) end)
  end

  defp chain(0, x, _), do: x
  defp chain(count, x, y), do: chain(count - 1, Nx.add(x, y), y)

  defp milliseconds(fun), do: 1 |> timed(fun) |> Enum.map(&(&1 / 1000))

  @doc "A loop of so many iterations that adds 1: milliseconds."
  def while(count) do
    start()
    milliseconds(fn -> Nx.to_number(count_up(Nx.tensor(count))) end)
  end

  defn count_up(count) do
    {i, _} = while {i = 0, count}, i < count, do: {i + 1, count}
    i
  end

  @doc "A loop of so many iterations with a hook, whose function sends the value to a process: hooks a second."
  def hooks(count) do
    start()
    receiver = once(:receiver, fn -> spawn_link(&receive_all/0) end)
    hook = fn value -> send(receiver, value) end
    run = fn -> Nx.Defn.jit_apply(&watched/1, [Nx.tensor(count)], hooks: %{step: hook}) end
    [time] = timed(1, fn -> Nx.to_number(run.()) end)
    [count / (time / 1.0e6)]
  end

  # Hooks have another name in newer versions of Nx.
  @hook if function_exported?(Nx.Defn.Kernel, :io_call, 2), do: :io_call, else: :hook

  defn watched(count) do
    {i, _} = while {i = 0, count}, i < count, do: {watch(i + 1, :step), count}
    i
  end

  @doc "A hook on a value of a function of Nx."
  deftransform watch(value, name), do: apply(Nx.Defn.Kernel, @hook, [value, name])

  defp receive_all, do: receive(do: (_ -> receive_all()))

  @doc "So many bytes into the backend: gigabytes a second."
  def from_binary(bytes) do
    start()
    data = bytes(bytes)
    # The tensor is to be there, not on its way.
    [time] = timed(1, fn -> data |> Nx.from_binary(:f32) |> tap(&Nx.to_number(&1[0])) end)
    [bytes / (time * 1000)]
  end

  @doc "So many bytes out of the backend: gigabytes a second."
  def to_binary(bytes) do
    start()
    tensor = once({:tensor, bytes}, fn -> Nx.from_binary(bytes(bytes), :f32) end)
    [time] = timed(1, fn -> Nx.to_binary(tensor) end)
    [bytes / (time * 1000)]
  end

  defp bytes(bytes),
    do: once({:bytes, bytes}, fn -> :binary.copy(<<1.5::float-little-32>>, div(bytes, 4)) end)
end
