defmodule Davit.RealEngine.ControlFlowTest do
  use ExUnit.Case, async: false
  import Davit.Real, only: [compute: 3, compute: 4]
  import ExUnit.CaptureIO
  @moduletag :engine

  alias Davit.{EngineError, Tensor}
  alias Davit.Graph, as: G

  setup_all do
    :ok = Davit.Engine.await()
    on_exit(fn -> Davit.Engine.stop() end)
  end

  @x {:float32, {2}}

  test "branches: only the chosen one and its hooks run" do
    graph = fn p, x ->
      G.cond(p, fn -> G.hook(G.add(x, 1), "then") end, fn -> G.hook(G.multiply(x, 5), "else") end)
    end

    me = self()
    options = [hooks: [{:all, fn event -> send(me, event.name) end}]]
    assert compute([{:bool, {}}, @x], graph, [true, [1, 2]], options) == [[2.0, 3.0]]
    assert compute([{:bool, {}}, @x], graph, [false, [1, 2]], options) == [[5.0, 10.0]]
    assert {:messages, ["then", "else"]} = Process.info(self(), :messages)

    choose = fn i -> G.switch(i, for(n <- [7, 8, 9], do: fn -> G.constant(n, :int8) end)) end
    assert compute([{:int32, {}}], choose, [1]) == [8]
    assert compute([{:int32, {}}], choose, [100]) == [9]
  end

  test "a loop fires its hooks once an iteration, with the path" do
    graph = fn n ->
      initial = {G.constant(0, :int32), G.constant(1.0, :float32)}

      G.while(initial, fn i, _ -> G.less(i, n) end, fn i, y ->
        {G.add(i, 1), y |> G.multiply(2) |> G.hook("y")}
      end)
    end

    me = self()
    hooks = [{"y", fn e -> send(me, {e.seq, e.path, Tensor.to_list(hd(e.values))}) end}]
    assert compute([{:int32, {}}], graph, [5], hooks: hooks) == [5, 32.0]
    expected = for i <- 0..4, do: {i, [i], :math.pow(2, i + 1)}
    assert {:messages, ^expected} = Process.info(self(), :messages)
  end

  test "a predicate's hook has the path of the iteration before it" do
    graph = fn n ->
      G.for_loop(2, n, fn _, n ->
        n
        |> G.while(&G.less(G.hook(&1, "test"), 2), &G.hook(G.add(&1, 1), "body"))
        |> G.subtract(1)
      end)
    end

    me = self()
    hooks = [{:all, fn event -> send(me, {event.name, event.path}) end}]
    assert compute([{:int32, {}}], graph, [0], hooks: hooks) == [1]
    first = [{"test", [0]}, {"body", [0, 0]}, {"test", [0, 0]}, {"body", [0, 1]}, {"test", [0, 1]}]
    second = [{"test", [1]}, {"body", [1, 0]}, {"test", [1, 0]}]
    assert {:messages, messages} = Process.info(self(), :messages)
    assert messages == first ++ second
  end

  test "counted loops, by a number and by a value, and functions" do
    sum = fn y -> fn i, acc -> G.add(acc, G.multiply(G.astype(i, dtype: :float32), y)) end end
    assert compute([{:float32, {}}], fn x -> G.for_loop(5, x, sum.(x)) end, [1]) == [11.0]
    dynamic = fn n, x -> G.for_loop(n, x, sum.(x)) end
    assert compute([{:int32, {}}, {:float32, {}}], dynamic, [4, 1]) == [7.0]
    square = fn x -> G.call([x], "square", fn x -> G.multiply(x, x) end) end
    assert compute([{:float32, {}}], square, [3]) == [9.0]
  end

  test "a loop that does not end is ended by the timeout, and the engine goes on" do
    forever = fn x ->
      G.while(x, fn x -> G.less(x, :infinity) end, fn x -> G.multiply(x, 0.5) end)
    end

    error =
      assert_raise EngineError, fn -> compute([{:float32, {}}], forever, [1], timeout: 200) end

    assert error.code == :timeout
    assert compute([{:float32, {}}], &G.add(&1, 1), [1], timeout: 20_000) == [2.0]
  end

  test "calls: the handler's value flows on, in loops too" do
    step = fn _i, y -> y |> G.callback("next", @x) |> G.add(1) end
    graph = fn x -> G.for_loop(3, x, step) end
    handler = fn event -> Enum.map(Tensor.to_list(hd(event.values)), &(&1 * 10)) end
    assert compute([@x], graph, [[1, 2]], callbacks: [{"next", handler}]) == [[1111.0, 2111.0]]

    assert_raise RuntimeError, "no", fn ->
      compute([@x], graph, [[1, 2]], callbacks: [{"next", fn _ -> raise "no" end}])
    end

    error = assert_raise EngineError, fn -> compute([@x], graph, [[1, 2]]) end
    assert error.code == :handler_missing
  end

  test "a call's handler may compute on the same engine" do
    twice = [@x] |> G.build(&G.multiply(&1, 2)) |> Davit.load()
    handler = fn event -> hd(Davit.run(twice, event.values)) end

    assert compute([@x], &G.callback(&1, "ask", @x), [[1, 2]], callbacks: [{"ask", handler}]) == [
             [2.0, 4.0]
           ]
  end

  test "prints and probes" do
    graph = fn x -> x |> G.exp(label: "enc.1") |> G.print("px") end
    me = self()
    hooks = [{{:probe, "enc.*"}, fn event -> send(me, event.label) end}]

    printed =
      capture_io(fn -> assert compute([@x], graph, [[0, 0]], hooks: hooks) == [[1.0, 1.0]] end)

    assert printed == "px: #Davit.Tensor<f32[2] [1.0, 1.0]>\n"
    assert_received "enc.1"
  end
end
