defmodule Davit.RealMemoryTest do
  # Tensors that nothing refers to any more leave the real engine.
  use ExUnit.Case, async: false
  @moduletag :engine
  @moduletag timeout: 180_000

  alias Davit.{Collector, Engine, Fake, Real, Tensor}
  alias Davit.Graph, as: G

  @count 10_000
  # Above what stays at home.
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

  defp empty?(engine) do
    Engine.reclaim(engine)
    info = Engine.info(engine)
    # The program is what is left.
    info["tensors"] == 0 and info["memory"]["active"] < @bytes and
      Collector.live(Engine.session!(engine)) == info["programs"]
  end

  test "10,000 large results of runs, forgotten one by one", %{engine: engine, program: program} do
    for n <- 1..@count do
      [t] = Davit.run(program, [n], fetch: 0)
      if rem(n, 1000) == 0, do: assert(hd(Tensor.to_list(t)) == n)
    end

    Fake.eventually(fn -> empty?(engine) end)
  end

  test "10,000 large tensors that a process holds leave with it", %{engine: engine} do
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

  test "what a run that failed, was cancelled or lost its process would have made is not kept" do
    engine = Real.start()
    type = {:float32, {@elements}}
    program = G.build([type], &G.call(&1, "ask", type)) |> Davit.load(engine: engine)
    tensor = fn -> Tensor.from_binary(<<0::size(@bytes)-unit(8)>>, type, engine: engine) end
    test = self()
    raising = [{"ask", fn _ -> raise "no" end}]

    waiting = [
      {"ask", fn _ -> send(test, {:in, self()}) && receive(do: (:never -> 0)) end}
    ]

    for _ <- 1..50 do
      assert_raise RuntimeError, fn -> Davit.run(program, [tensor.()], calls: raising) end
      pid = spawn(fn -> Davit.run(program, [tensor.()], calls: waiting) end)
      assert_receive {:in, ^pid}
      Process.exit(pid, :kill)
    end

    Fake.eventually(fn -> empty?(engine) end)
  end
end
