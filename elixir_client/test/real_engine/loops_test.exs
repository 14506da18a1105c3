defmodule Davit.RealEngine.LoopsTest do
  # Loops and branches on the real engine: carries of all kinds, what is refused, what is not computed, and how soon
  # they end.
  use ExUnit.Case, async: false
  @moduletag :engine

  alias Davit.{Engine, EngineError, Real, Tensor}
  alias Davit.Graph, as: G

  setup_all do
    :ok = Engine.await()
    on_exit(fn -> Engine.stop() end)
  end

  @x {:float32, {2}}

  # Every firing of a run: name, path and values.
  defp seen(types, fun, inputs) do
    me = self()
    handler = fn e -> send(me, {e.name, e.path, Enum.map(e.values, &Tensor.to_list/1)}) end
    results = Real.compute(types, fun, inputs, hooks: [{:all, handler}])
    {results, Real.flush()}
  end

  test "a while in a while carries many values of many types" do
    types = [
      {:int32, {}},
      @x,
      {:bool, {}},
      {:uint8, {3}},
      {:float16, {}},
      {:bfloat16, {2}},
      {:complex64, {}},
      {:int64, {}}
    ]

    graph = fn n, x, flag, bytes, half, brain, z, long ->
      zero = G.constant(0, :int32)
      initial = {zero, x, flag, bytes, half, brain, z, long}

      outer = fn i, x, flag, bytes, half, brain, z, long ->
        {_, x, bytes, long} =
          G.while({zero, x, bytes, long}, fn j, _, _, _ -> G.less_equal(j, i) end, fn j, x, b, l ->
            {x, l} = G.hook({G.add(x, 1), G.add(l, 1)}, "inner")
            {G.add(j, 1), x, G.add(b, 1), l}
          end)

        {flag, half, z} = G.hook({G.logical_not(flag), G.multiply(half, 2), z}, "outer")
        {G.add(i, 1), x, flag, bytes, half, G.add(brain, 0.5), G.multiply(z, {0, 1}), long}
      end

      more = fn i, _, _, _, _, _, _, _ -> G.less(i, n) end
      {_, x, flag, bytes, half, brain, z, long} = G.while(initial, more, outer)
      {x, flag, bytes, half, brain, z, long}
    end

    # More than a float64 can tell apart, and bytes that run over.
    long = 9_007_199_254_740_993
    inputs = [3, [0, 0.5], true, [250, 0, 255], 1, [1, 2], {1, 0}, long]
    {results, events} = seen(types, graph, inputs)
    # An i three times is -i.
    assert [x, false, [0, 6, 5], 8.0, [2.5, 3.5], {re, -1.0}, last] = results
    assert {x, last} == {[6.0, 6.5], long + 6}
    assert re == 0

    inner = for {"inner", path, [x, l]} <- events, do: {path, hd(x), l - long}

    assert inner == [
             {[0, 0], 1.0, 1},
             {[1, 0], 2.0, 2},
             {[1, 1], 3.0, 3},
             {[2, 0], 4.0, 4},
             {[2, 1], 5.0, 5},
             {[2, 2], 6.0, 6}
           ]

    assert [{[0], [false, 2.0, {1.0, _}]}, {[1], [true, 4.0, {_, 1.0}]}, {[2], [false, 8.0, _]}] =
             for({"outer", path, values} <- events, do: {path, values})

    # In program order: the inner loop of an iteration, then what follows it.
    assert Enum.map(events, &elem(&1, 0)) ==
             ~w(inner outer inner inner outer inner inner inner outer)
  end

  test "a branch that is not taken is not computed" do
    inverse = fn p, x -> G.cond(p, fn -> x end, fn -> G.linalg_inv(x, label: "inverse") end) end
    types = [{:bool, {}}, {:float32, {2, 2}}]
    singular = [[1, 2], [2, 4]]
    assert Real.compute(types, inverse, [true, singular]) == [[[1.0, 2.0], [2.0, 4.0]]]
    compute = fn -> Real.compute(types, inverse, [false, singular]) end
    assert %EngineError{label: "inverse"} = assert_raise(EngineError, compute)

    # Nor are the cases of a switch, and what they would ask and print.
    switch = fn i, x ->
      G.switch(i, [
        fn -> G.linalg_inv(x) end,
        fn -> G.callback(x, "nobody", {:float32, {2, 2}}) end,
        fn -> x |> G.add(1) |> G.hook("taken") end,
        fn -> x |> G.print("silent") |> G.hook("silent") end
      ])
    end

    types = [{:int32, {}}, {:float32, {2, 2}}]
    me = self()

    printed = Real.printed(fn -> send(me, seen(types, switch, [2, singular])) end)

    expected = [[2.0, 3.0], [3.0, 5.0]]
    assert printed == ""
    assert_received {[^expected], [{"taken", [], [^expected]}]}
  end

  test "hooks on values that reach no output fire" do
    graph = fn x ->
      x |> G.exp() |> G.hook("straight")

      G.for_loop(2, x, fn i, y ->
        G.cond(
          G.equal(i, 1),
          fn ->
            y |> G.multiply(7) |> G.hook("branch")
            y
          end,
          fn -> y end
        )
      end)
    end

    assert {[[0.0, 1.0]], events} = seen([@x], graph, [[0, 1]])
    assert [{"straight", [], [[1.0, e]]}, {"branch", [1], [[0.0, 7.0]]}] = events
    assert_in_delta e, 2.71828, 1.0e-4
  end

  test "hooks of one name are told apart by their site, calls of one function by their order" do
    program =
      [@x]
      |> G.build(fn x ->
        twice = fn x ->
          [x] |> G.call("twice", &(&1 |> G.multiply(2) |> G.hook("same", label: "f")))
        end

        x |> G.hook("same") |> twice.() |> G.hook("same") |> twice.()
      end)
      |> Davit.load()

    me = self()
    hooks = [{"same", &send(me, {&1.site.number, &1.label, hd(Tensor.to_list(hd(&1.values)))})}]
    assert [_] = Davit.run(program, [[1, 2]], hooks: hooks)

    assert [{a, nil, 1.0}, {b, "f", 2.0}, {c, nil, 2.0}, {d, "f", 4.0}] = Real.flush()
    assert length(Enum.uniq([a, b, c])) == 3
    assert b < c or c < d
    ids = for %{kind: :hook, id: id} <- program.sites, do: id
    assert length(ids) >= 3 and Enum.uniq(ids) == [Davit.Hooks.Id.named("same")]
  end

  describe "what is refused, before anything runs:" do
    for {what, fun, message} <- [
          {"a carry that changes its shape",
           quote(
             do: fn _, x -> G.for_loop(2, x, fn _, y -> G.concatenate([y, y], axis: 0) end) end
           ), ~r/carry 0 changes from float32\[2\] to float32\[4\]/},
          {"a carry that changes its dtype",
           quote(
             do: fn _, x ->
               G.while(x, &G.less(G.sum(&1), 3), fn y -> G.astype(y, dtype: :int32) end)
             end
           ), ~r/carry 0 changes from float32\[2\] to int32\[2\]/},
          {"the second carry of an inner loop that changes",
           quote(
             do: fn _, x ->
               G.for_loop(2, x, fn i, y ->
                 {y, _} = G.for_loop(2, {y, i}, fn _, y, n -> {y, G.astype(n, dtype: :int8)} end)
                 y
               end)
             end
           ), ~r/carry 1 changes from int32\[\] to int8\[\]/},
          {"branches of other shapes",
           quote(do: fn p, x -> G.cond(p, fn -> x end, fn -> G.sum(x) end) end),
           ~r/results of else are \(float32\[\]\); expected \(float32\[2\]\)/},
          {"branches of other dtypes",
           quote(do: fn p, x -> G.cond(p, fn -> x end, fn -> G.astype(x, dtype: :int8) end) end),
           ~r/\(int8\[2\]\); expected \(float32\[2\]\)/},
          {"cases of other shapes",
           quote(
             do: fn p, x ->
               G.switch(G.astype(p, dtype: :int32), [fn -> x end, fn -> x end, fn -> G.max(x) end])
             end
           ), ~r/\(float32\[\]\); expected \(float32\[2\]\)/},
          {"a predicate that is no bool",
           quote(do: fn _, x -> G.cond(G.sum(x), fn -> x end, fn -> x end) end),
           ~r/predicate is float32\[\]; expected bool scalar/},
          {"a loop's predicate that is no scalar",
           quote(do: fn _, x -> G.while(x, &G.less(&1, 3), & &1) end),
           ~r/predicate's results are \(bool\[2\]\); expected \(bool\[\]\)/},
          {"a count that is no integer",
           quote(do: fn _, x -> G.for_loop(G.sum(x), x, fn _, y -> y end) end),
           ~r/count is float32\[\]; expected integer scalar/}
        ] do
      test what do
        graph = G.build([{:bool, {}}, @x], unquote(fun))
        error = assert_raise EngineError, fn -> Davit.load(graph) end
        assert error.message =~ unquote(Macro.escape(message))
        assert error.op in ~w(for while cond switch)
      end
    end

    test "another number of carries, or of results" do
      build = fn fun -> fn -> G.build([{:bool, {}}, @x], fun) end end
      loop = build.(fn _, x -> G.while({x, x}, fn y, _ -> G.any(y) end, fn y, _ -> y end) end)
      assert_raise ArgumentError, ~r/2 carries, but its body returned 1/, loop
      branches = build.(fn p, x -> G.cond(p, fn -> x end, fn -> {x, x} end) end)
      assert_raise ArgumentError, ~r/branches of cond give 1 and 2 values/, branches
    end
  end

  # Computed to their end these take some 20 s, or are without end. How soon they are ended is measured elsewhere; here
  # a machine may be busy with other things.
  @size 1024
  @matrix {:float32, {@size, @size}}
  defp matrix, do: Tensor.from_binary(:binary.copy(<<0::32>>, @size * @size), @matrix)
  defp products(x, count), do: Enum.reduce(1..count, x, fn _, y -> G.matmul(y, x) end)

  for {where, fun} <- [
        {"inside a long segment", quote(do: &products(&1, 2_000))},
        {"inside an iteration",
         quote(do: fn x -> G.for_loop(1_000, x, fn _, y -> products(y, 200) end) end)},
        {"between iterations",
         quote(do: fn x -> G.while(x, &G.less(G.max(&1), 1), fn y -> G.matmul(y, x) end) end)}
      ] do
    test "a timeout and a cancel end a run #{where}" do
      compute = unquote(fun)
      program = [@matrix] |> G.build(&(&1 |> G.hook("begun") |> compute.())) |> Davit.load()
      {x, test, queue} = {matrix(), self(), Engine.Session.next_id(Engine.session!())}
      hooks = [{"begun", fn _ -> send(test, {:begun, self()}) end}]
      # Of the same queue, so it is answered when the run before it has ended.
      after_it = [{:float32, {}}] |> G.build(&G.add(&1, 1)) |> Davit.load()

      soon = fn ->
        {microseconds, [_]} = :timer.tc(fn -> Davit.run(after_it, [1], queue: queue) end)
        assert microseconds < 10_000_000
      end

      run = fn -> Davit.run(program, [x], queue: queue, timeout: 200, hooks: hooks) end
      assert assert_raise(EngineError, run).code == :timeout
      soon.()

      pid = spawn(fn -> Davit.run(program, [x], queue: queue, hooks: hooks) end)
      assert_receive {:begun, ^pid}, 30_000
      Process.exit(pid, :kill)
      soon.()
    end
  end

  test "a counted loop of 5,000 iterations needs no more memory than one of 10" do
    engine = Real.start()
    bytes = 1_000_000
    type = {:float32, {div(bytes, 4)}}
    peak = fn -> Engine.info(engine)["memory"]["peak"] end

    compute = fn count ->
      fun = fn x ->
        G.for_loop(count, {x, G.constant(0, :int32)}, fn _, x, n ->
          {G.multiply(x, 1), G.add(n, 1)}
        end)
      end

      program = [type] |> G.build(fun) |> Davit.load(engine: engine)
      x = Tensor.from_binary(:binary.copy(<<0>>, bytes), type, engine: engine)
      [_, n] = Davit.run(program, [x])
      {Tensor.to_list(n), peak.()}
    end

    assert {10, short} = compute.(10)
    assert {5_000, long} = compute.(5_000)
    assert long - short < 20 * bytes
  end
end
