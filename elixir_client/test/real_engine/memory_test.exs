defmodule Davit.RealEngine.MemoryTest do
  # Tensors that nothing refers to any more leave the real engine.
  use ExUnit.Case, async: false
  @moduletag :engine
  @moduletag timeout: 180_000

  alias Davit.{Collector, Engine, Fake, Real, Tensor}
  alias Davit.Graph, as: G

  @count 10_000
  # Above what stays in the VM.
  @elements 20_000
  @bytes 4 * @elements

  setup do
    engine = Real.start()

    program =
      G.build([{:float32, {}}], &G.broadcast_to(&1, shape: [@elements]))
      |> Davit.load(engine: engine)

    assert Task.await(Task.async(fn -> large?(Davit.run(program, [1], fetch: 0)) end))
    Fake.eventually(fn -> empty?(engine) end)
    %{engine: engine, program: program}
  end

  defp large?([tensor]), do: byte_size(Tensor.to_binary(tensor)) == @bytes
  defp active(engine), do: Engine.info(engine)["memory"]["active"]

  defp empty?(engine), do: forgotten?(engine) and active(engine) < @bytes

  defp forgotten?(engine) do
    Engine.reclaim(engine)
    info = Engine.info(engine)
    # The program is what is left.
    info["tensors"] == 0 and Collector.live(Engine.session!(engine)) == info["programs"]
  end

  test "Davit.memory says what this VM has among the clients of the engine", %{engine: engine} do
    before = Davit.memory(engine)
    assert [%{own: true, client: "elixir " <> _, programs: 1, tensors: 0}] = before.sessions
    held = Tensor.from_binary(:binary.copy(<<7>>, @bytes), {:uint8, {@bytes}}, engine: engine)
    memory = Davit.memory(engine)
    assert [%{tensors: 1, typed: @bytes, peak: peak, bytes: bytes}] = memory.sessions
    assert peak >= @bytes and bytes >= @bytes and bytes < 2 * @bytes
    assert memory.active >= before.active + @bytes and memory.peak >= memory.active
    assert memory.limit > memory.cache_limit and memory.cached >= 0 and memory.models == []
    Tensor.touch(held)
  end

  test "10,000 large results of runs, dropped one by one", %{engine: engine, program: program} do
    for n <- 1..@count do
      [t] = Davit.run(program, [n], fetch: 0)
      if rem(n, 1000) == 0, do: assert(hd(Tensor.to_list(t)) == n)
    end

    Fake.eventually(fn -> empty?(engine) end)
  end

  test "10,000 large tensors are freed with the process that holds them", %{engine: engine} do
    test = self()
    bytes = :binary.copy(<<7>>, @bytes)

    {pid, monitor} =
      spawn_monitor(fn ->
        held = for _ <- 1..@count, do: Tensor.from_binary(bytes, {:uint8, {@bytes}}, engine: engine)
        send(test, :made)
        receive(do: (:never -> held))
      end)

    assert_receive :made, 120_000
    assert Engine.info(engine)["tensors"] == @count
    assert active(engine) >= @count * @bytes
    # What is held is not freed, whoever asks.
    Engine.reclaim(engine)
    assert Engine.info(engine)["tensors"] == @count
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}
    Fake.eventually(fn -> empty?(engine) end)
  end

  test "the outputs of a run that failed, was cancelled or lost its process are not kept" do
    engine = Real.start()
    type = {:float32, {@elements}}
    program = G.build([type], &G.callback(&1, "ask", type)) |> Davit.load(engine: engine)
    tensor = fn -> Tensor.from_binary(<<0::size(@bytes)-unit(8)>>, type, engine: engine) end
    test = self()
    raising = [{"ask", fn _ -> raise "no" end}]

    waiting = [
      {"ask", fn _ -> send(test, {:in, self()}) && receive(do: (:never -> 0)) end}
    ]

    for _ <- 1..50 do
      assert_raise RuntimeError, fn -> Davit.run(program, [tensor.()], callbacks: raising) end
      pid = spawn(fn -> Davit.run(program, [tensor.()], callbacks: waiting) end)
      assert_receive {:in, ^pid}
      Process.exit(pid, :kill)
    end

    # Buffers of calls' values are JavaScript's, whose garbage is collected when there is enough of it.
    Fake.eventually(fn -> forgotten?(engine) end)
  end

  describe "a loop that drops the tensors it creates" do
    # What the least budget is twice of: a tensor and the one made of it.
    @side 1448
    @large 4 * @side * @side
    @matrix {:float32, {@side, @side}}

    defp matrix(engine),
      do: Tensor.from_binary(:binary.copy(<<0>>, @large), @matrix, engine: engine)

    defp peak(engine), do: Engine.info(engine)["memory"]["peak"]
    defp many(x, count, step), do: Enum.reduce(1..count, x, fn _, x -> step.(x) end)

    test "holds less than three times what is alive" do
      engine = Real.start()
      program = G.build([@matrix], &G.add(&1, 1)) |> Davit.load(engine: engine)
      x = many(matrix(engine), 100, fn x -> hd(Davit.run(program, [x])) end)
      assert <<100.0::float-little-32, _::binary>> = Tensor.to_binary(x)
      assert peak(engine) < 3 * 2 * @large
    end

    test "also with hooks, prints and callbacks, which cannot be made again, under a limit of memory" do
      engine = Real.start(["--memory-limit", "40M"])

      program =
        G.build([@matrix], fn x ->
          x = x |> G.add(1) |> G.hook("large")
          sum = x |> G.max() |> G.print("max") |> G.callback("same", {:float32, {}})
          G.maximum(x, sum)
        end)
        |> Davit.load(engine: engine)

      options = [
        hooks: [{"large", & &1, view: :summary}],
        callbacks: [{"same", &Davit.Hooks.Event.value/1}]
      ]

      x = matrix(engine)
      Real.printed(fn -> many(x, 50, fn x -> hd(Davit.run(program, [x], options)) end) end)
      assert peak(engine) <= 40 * 1_048_576
    end

    test "whichever process held a tensor last" do
      engine = Real.start()
      program = G.build([@matrix], &G.add(&1, 1)) |> Davit.load(engine: engine)
      # It makes no tensors itself.
      reader = spawn_link(fn -> forget() end)

      many(matrix(engine), 100, fn x ->
        [y] = Davit.run(program, [x])
        send(reader, {self(), y})
        receive do: (^reader -> y)
      end)

      assert peak(engine) < 3 * 2 * @large
    end

    defp forget do
      receive do
        {from, _tensor} -> send(from, self())
      end

      forget()
    end

    test "of new tensors, and of programs with large constants" do
      engine = Real.start()
      for _ <- 1..50, do: matrix(engine)
      assert peak(engine) < 3 * 2 * @large

      for n <- 1..20 do
        constant = Tensor.from_binary_in_vm(:binary.copy(<<n>>, @large), @matrix)
        graph = G.build([@matrix], &G.add(&1, constant))
        Davit.load(graph, engine: engine)
      end

      assert peak(engine) < 4 * 2 * @large
    end
  end
end
