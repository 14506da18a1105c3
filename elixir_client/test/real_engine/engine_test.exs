defmodule Davit.RealEngine.EngineTest do
  use ExUnit.Case, async: false
  import Davit.Real, only: [compute: 3]
  @moduletag :engine

  alias Davit.{Engine, EngineError, Fake, Hooks, Tensor}
  alias Davit.Graph, as: G

  # The default engine, started by the first use of it.
  setup_all do
    :ok = Engine.await()
    on_exit(fn -> Engine.stop() end)
  end

  test "computes outputs from inputs" do
    assert compute([{:float32, {3}}], fn x -> {G.add(x, 1), G.sum(x)} end, [[1, 2, 3]]) == [
             [2.0, 3.0, 4.0],
             6.0
           ]

    types = [{:float32, {2, 3}}, {:float32, {3, 1}}]

    assert compute(types, &G.matmul/2, [[[1, 2, 3], [4, 5, 6]], [[1], [0], [2]]]) == [
             [[7.0], [16.0]]
           ]
  end

  test "inputs may be in the engine, in this VM, or both" do
    type = {:float32, {2}}

    program =
      [type, type, type]
      |> G.build(fn x, y, z -> x |> G.subtract(y) |> G.multiply(z) end)
      |> Davit.load()

    [a, b, c] = for n <- 1..3, do: Tensor.from_list([n, 10 * n], :f32)
    there = &Tensor.to_engine/1
    bytes = Tensor.to_binary(c)

    # The same program again and again: its runs share a plan.
    for inputs <- [
          [a, b, c],
          [there.(a), b, c],
          [a, there.(b), bytes],
          [there.(a), there.(b), there.(c)],
          [a, b, bytes]
        ] do
      [result] = Davit.run(program, inputs)
      assert Tensor.to_list(result) == [-3.0, -300.0]
    end

    # Values in the engine alone, larger than what is sent with a run.
    large = {:float32, {4096}}
    sum = [large, large] |> G.build(fn x, y -> x |> G.add(y) |> G.sum() end) |> Davit.load()
    ones = 1 |> List.duplicate(4096) |> Tensor.from_list(:f32, place: :engine)
    assert [%{data: <<8192.0::float-little-32>>}] = Davit.run(sum, [ones, ones])

    assert_raise ArgumentError, ~r/takes 3/, fn -> Davit.run(program, [there.(a), b]) end

    wrong = Tensor.from_list([1], :f32, place: :engine)
    error = assert_raise EngineError, fn -> Davit.run(program, [a, wrong, c]) end
    assert error.code == :input_type_invalid

    freed = there.(a)
    Tensor.free(freed)
    gone = %{freed | data: nil}

    assert %{code: :tensor_unknown} =
             assert_raise(EngineError, fn -> Davit.run(program, [gone, b, c]) end)
  end

  test "the builder infers the same types as the engine" do
    shape = {2, 3}

    for dtype <- Davit.Type.dtypes(),
        op <- ~w(add multiply less exp sum mean negative isnan reshape transpose)a do
      parent = self()

      fun = fn x ->
        value =
          case op do
            op when op in [:add, :multiply, :less] -> apply(G, op, [x, x])
            :reshape -> G.reshape(x, shape: [3, -1])
            op -> apply(G, op, [x])
          end

        send(parent, {:inferred, value.type})
        value
      end

      # Not every op takes every dtype.
      try do
        program = [{dtype, shape}] |> G.build(fun) |> Davit.load()
        assert_received {:inferred, inferred}
        assert inferred in [nil | program.outputs], "#{op} of #{dtype}: #{inspect(inferred)}"
      rescue
        EngineError -> assert_received {:inferred, _}
      end
    end

    for a <- Davit.Type.dtypes(), b <- Davit.Type.dtypes() do
      parent = self()

      try do
        program =
          [{a, {3}}, {b, {2, 1}}]
          |> G.build(&(G.maximum(&1, &2) |> tap(fn v -> send(parent, {:inferred, v.type}) end)))
          |> Davit.load()

        assert_received {:inferred, inferred}
        assert [inferred] == program.outputs, "#{a} and #{b}"
      rescue
        EngineError -> assert_received {:inferred, _}
      end
    end
  end

  test "the engine and the client compute the same hash of a graph" do
    graph =
      G.build([{:float32, {16}}], fn x ->
        x |> G.add(1.5, label: "grün") |> G.hook("h") |> G.softmax(axes: [-1])
      end)

    program = Davit.load(graph)
    assert program.hash == G.hash(graph)
    assert [%{kind: :hook, name: "h"} | _] = Enum.filter(program.sites, &(&1.kind == :hook))
  end

  test "a program lists all of its sites, or those that call and one other" do
    graph =
      G.build([{:float32, {16}}], fn x ->
        x |> G.add(1.5, label: "first") |> G.add(2.5, label: "second") |> G.hook("h")
      end)

    titles = fn options ->
      for site <- Davit.load(graph, options).sites, do: site.label || site.name
    end

    assert titles.([]) == ["first", "second", "h"]
    assert titles.(sites: :calling) == ["first", "h"]
    assert_raise ArgumentError, ~r/:all or :calling/, fn -> titles.(sites: :some) end
  end

  test "large tensors and large constants" do
    size = 300_000
    bytes = for n <- 1..size, into: <<>>, do: <<n::float-little-32>>

    graph =
      G.build([{:float32, {size}}], fn x -> G.add(x, G.constant(bytes, {:float32, {size}})) end)

    program = Davit.load(graph)
    tensor = Tensor.from_binary(bytes, {:float32, {size}})
    assert [sum] = Davit.run(program, [tensor])
    assert sum.data == nil
    assert Tensor.to_binary(sum) == for(n <- 1..size, into: <<>>, do: <<2 * n::float-little-32>>)
  end

  test "errors say which op, where" do
    graph =
      G.build([{:float32, {2, 3}}, {:float32, {2, 3}}], fn x, y ->
        G.matmul(x, y, label: "layer.3")
      end)

    error = assert_raise EngineError, fn -> Davit.load(graph) end
    assert {error.op, error.label} == {"matmul", "layer.3"}
    error = assert_raise EngineError, fn -> Davit.load("no graph") end
    assert error.message != ""
    # The engine goes on.
    assert compute([{:float32, {}}], &G.add(&1, 1), [1]) == [2.0]
  end

  describe "hooks" do
    test "send events to the handlers of a run and to a subscriber" do
      program =
        [{:float32, {4}}]
        |> G.build(fn x ->
          x |> G.add(1) |> G.hook("a", label: "layer.0") |> G.multiply(2) |> G.hook("b")
        end)
        |> Davit.load()

      {:ok, ref} = Hooks.subscribe({:label, "layer.*"}, view: {:summary, 4})
      me = self()
      handler = fn event -> send(me, {event.name, Hooks.Event.to_list(event)}) end
      assert [t] = Davit.run(program, [[1, 2, 3, 4]], hooks: [{:all, handler}])
      assert Tensor.to_list(t) == [4.0, 6.0, 8.0, 10.0]
      assert_received {"a", [2.0, 3.0, 4.0, 5.0]}
      assert_received {"b", [4.0, 6.0, 8.0, 10.0]}
      assert_receive {:davit_hook, ^ref, %{name: "a", values: [summary]}}

      assert %{count: 4, min: 2.0, max: 5.0, mean: 3.5, nan: 0, inf: 0, histogram: [1, 1, 1, 1]} =
               summary

      :ok = Hooks.unsubscribe(ref)
      Davit.run(program, [[1, 2, 3, 4]])
      refute_received {:davit_hook, ^ref, _}
    end

    test "lose no events, keep their order, and slow the run down for a slow reader" do
      program = [{:float32, {16}}] |> G.build(&G.hook(&1, "flood")) |> Davit.load()
      tensor = Tensor.from_list(Enum.to_list(1..16), :float32)
      {:ok, ref} = Hooks.subscribe("flood")
      Davit.run_many(program, List.duplicate([tensor], 5_000))
      for n <- 1..5_000, do: assert_receive({:davit_hook, ^ref, %{seq: 0}}, 5_000, "event #{n}")
      Hooks.unsubscribe(ref)
    end

    test "end only their own run when a handler raises" do
      program = [{:float32, {4}}] |> G.build(&G.hook(&1, "a")) |> Davit.load()
      raising = [{"a", fn _ -> raise "stop" end}]

      assert_raise RuntimeError, "stop", fn ->
        Davit.run(program, [[1, 2, 3, 4]], hooks: raising)
      end

      assert [_] = Davit.run(program, [[1, 2, 3, 4]])
      assert {_, []} = Process.info(self(), :messages)
    end

    test "have handlers that may compute on the same engine" do
      program = [{:float32, {2}}] |> G.build(&G.hook(&1, "a")) |> Davit.load()
      twice = [{:float32, {2}}] |> G.build(&G.multiply(&1, 2)) |> Davit.load()
      me = self()
      handler = fn event -> send(me, Davit.run(twice, event.values) |> hd() |> Tensor.to_list()) end
      Davit.run(program, [[1, 2]], hooks: [{"a", handler}])
      assert_received [2.0, 4.0]
    end
  end

  test "dropped tensors are freed in the engine" do
    session = Engine.session!()
    count = fn -> Engine.info()["tensors"] end

    Fake.eventually(fn ->
      Davit.Collector.reclaim(session) == :ok and
        count.() == Davit.Collector.live(session) - programs(session)
    end)

    before = count.()

    Task.await(
      Task.async(fn ->
        for _ <- 1..100, do: Tensor.from_binary(<<0::80_000>>, {:uint8, {10_000}}, place: :engine)
        assert count.() == before + 100
      end)
    )

    Fake.eventually(fn -> Davit.Collector.reclaim(session) == :ok and count.() == before end)
  end

  defp programs(_session), do: Engine.info()["programs"]

  test "programs and subscriptions survive the engine; its tensors do not" do
    program = [{:float32, {2}}] |> G.build(&(&1 |> G.add(1) |> G.hook("again"))) |> Davit.load()
    large = Tensor.from_binary(<<0::800_000>>, {:uint8, {100_000}})
    {:ok, ref} = Hooks.subscribe("again")
    {:os_pid, pid} = Port.info(Engine.session!().port, :os_pid)
    {_, 0} = System.cmd("kill", ["-9", "#{pid}"])
    Fake.eventually(fn -> Engine.session!().instance != large.ref.instance end)
    assert [t] = Davit.run(program, [[1, 2]])
    assert Tensor.to_list(t) == [2.0, 3.0]
    # The subscription is made again beside the runs, not before them.
    heard = fn -> receive(do: ({:davit_hook, ^ref, _} -> true), after: (0 -> false)) end
    Fake.eventually(fn -> Davit.run(program, [[1, 2]]) && heard.() end)
    error = assert_raise EngineError, fn -> Tensor.to_binary(large) end
    assert error.message =~ "signal 9"
    Hooks.unsubscribe(ref)
  end
end
