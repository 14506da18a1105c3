if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.ExpressionsTest do
    use ExUnit.Case, async: true
    import Nx.Defn
    import Davit.Conformance.Gradients, only: [loop_gradient: 2]
    import Davit.Test.AgainstEvaluator
    alias Davit.Test.Pair

    @moduletag :engine

    doctest Davit.Compiler

    defn containers(%{x: x, pair: pair}) do
      %{pair | left: {x + pair.left, pair.right}, right: x}
    end

    test "arguments and results are containers" do
      pair = %Pair{left: Nx.tensor([1, 2]), right: Nx.tensor(3.0), tag: :kept}
      result = assert_same(&containers/1, [%{x: 4, pair: pair}])
      assert %Pair{tag: :kept, left: {%Nx.Tensor{}, %Nx.Tensor{}}} = result
    end

    test "results are tensors of Davit.Backend, with the names that Nx gives them" do
      result = compiled(&Nx.add(&1, 1), [Nx.tensor([[1, 2]], names: [:row, nil])])
      assert %Nx.Tensor{names: [:row, nil], data: %Davit.Backend{engine: Davit.Engine}} = result
    end

    test "an argument that is returned as it is needs no program" do
      x = Nx.tensor([1, 2, 3])
      assert {same, other} = compiled(fn x, y -> {x, y} end, [x, 5])
      assert home({same, other}) == {x, Nx.tensor(5)}
      assert compiled(fn _ -> {} end, [x]) == {}
    end

    test "an argument that is not used is not computed" do
      lazy = %Nx.Tensor{Nx.tensor(1) | data: nil}

      fun =
        Nx.Defn.compile(fn _, y -> Nx.add(y, 1) end, [Nx.template({}, :s32), 1], compiler: Davit)

      assert fun.(lazy, 2) |> Nx.to_number() == 3
    end

    test "literals keep all of their 64 bits and the sign of zero" do
      for number <- [9_007_199_254_740_993, -9_223_372_036_854_775_808, 9_223_372_036_854_775_807],
          do: assert_same(&Nx.add(&1, Nx.tensor(number, type: :s64)), [Nx.tensor(0, type: :s64)])

      big = Nx.tensor(18_446_744_073_709_551_615, type: :u64)
      assert_same(fn x -> Nx.max(x, big) end, [Nx.tensor(1, type: :u64)])
      assert_same(fn x -> Nx.atan2(-0.0, x) end, [Nx.tensor(-1.0)])
      assert_same(fn x -> Nx.atan2(0.0, x) end, [Nx.tensor(-1.0)])
    end

    defn twice(x) do
      {_, x} =
        while {i = 0, x}, i < 2 do
          {i + 1, x * x}
        end

      x
    end

    for type <- [:f8_e4m3fn, :c128, :f64] do
      test "values of #{type} are computed exactly" do
        x = Nx.tensor([1.5, 0.25, -1], type: unquote(type))
        assert_same(fn x -> {Nx.add(x, x), Nx.reverse(x), Nx.reshape(x, {3, 1})} end, [x])
        assert_same(&twice/1, [x])
      end
    end

    test "integers below a byte are computed exactly" do
      for {type, squared} <- [u2: [1, 0, 1], s4: [1, 0, 1]] do
        x = Nx.tensor([1, 0, 1], type: type)
        result = compiled(&twice/1, [x])
        assert {result.type, Nx.to_flat_list(result)} == {x.type, squared}
      end

      assert compiled(&Nx.add(&1, &1), [Nx.tensor([3, 1], type: :u2)]) |> Nx.to_flat_list() == [
               2,
               2
             ]
    end

    test "functions that operations take are called" do
      x = Nx.tensor([[1, 2, 3], [4, 5, 6]])

      assert_same(fn x -> Nx.reduce(x, 0, [axes: [1]], &Nx.subtract(Nx.multiply(&1, 2), &2)) end, [
        x
      ])

      assert_same(fn x -> Nx.window_reduce(x, 0, {1, 2}, &Nx.max/2) end, [x])
    end

    test "blocks are computed as a whole or by their default" do
      x = Nx.tensor([[4.0, 1.0], [1.0, 3.0]])
      assert_same(&Nx.LinAlg.cholesky/1, [x], tolerance: 1.0e-6)
      assert_same(&Nx.LinAlg.solve(&1, Nx.tensor([1.0, 2.0])), [x], tolerance: 1.0e-6)
      assert_same(&Nx.cumulative_sum(&1, axis: 0, reverse: true), [x])
      assert_same(&Nx.top_k(&1, k: 1), [x])
      assert_same(&Nx.LinAlg.determinant/1, [x], tolerance: 1.0e-6)

      # Of a block that nobody knows the default is computed.
      own = fn x ->
        Nx.block(%Pair{tag: 2}, [x, Nx.multiply(x, 2)], x, fn %Pair{tag: n}, a, b ->
          Nx.add(Nx.multiply(a, n), b)
        end)
      end

      assert_same(own, [x])
    end

    test "vectorized arguments" do
      x = Nx.iota({2, 3}, type: :f32) |> Nx.vectorize(:rows)
      y = Nx.tensor([1.0, 2.0, 4.0]) |> Nx.vectorize(:columns)
      assert_same(fn x, y -> {Nx.sum(x), Nx.add(x, y), Nx.devectorize(y)} end, [x, y])
      assert_same(&while_vectorized/1, [Nx.vectorize(Nx.tensor([1, 5, 9]), :v)])
      assert_same(&cond_vectorized/1, [Nx.vectorize(Nx.tensor([1, 0, 1]), :v)])
    end

    defn while_vectorized(x) do
      while x, x < 8 do
        x + 2
      end
    end

    defn(cond_vectorized(x), do: if(x, do: x * 2, else: x - 1))

    test "random numbers are those of Nx" do
      assert_same(fn key -> Nx.Random.uniform(key, shape: {5}) end, [Nx.Random.key(42)])
      assert_same(fn key -> Nx.Random.randint(key, 0, 100, shape: {5}) end, [Nx.Random.key(7)])
    end

    test "gradients go through loops and conditions" do
      for k <- [0.5, -0.5],
          do: assert_same(&loop_gradient/2, [Nx.tensor([1.0, 2.0]), k], tolerance: 1.0e-5)
    end

    test "a function is compiled once and called with arguments of its templates" do
      fun =
        Nx.Defn.compile(&Nx.dot/2, [Nx.template({2, 3}, :f32), Nx.template({3}, :f32)],
          compiler: Davit
        )

      a = Nx.iota({2, 3}, type: :f32)

      for v <- [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]],
          v = Nx.tensor(v),
          do: assert(home(fun.(a, v)) == Nx.dot(a, v))

      assert_raise ArgumentError, ~r/not compatible/, fn -> fun.(a, Nx.tensor(1.0)) end
    end

    test "a compiled function may be called while another is traced" do
      inner = Nx.Defn.jit(&Nx.multiply(&1, 3), compiler: Davit, on_conflict: :force)
      t = Nx.tensor([1, 2])
      outer = fn x -> Nx.add(x, inner.(t)) end
      assert compiled(outer, [1]) |> Nx.to_list() == [4, 7]
    end

    test "an error of the program names the node by the function it is in" do
      singular = Nx.tensor([[0.0, 0.0], [0.0, 0.0]])

      error =
        assert_raise Davit.EngineError, fn ->
          compiled(&Nx.LinAlg.triangular_solve(&1, Nx.tensor([1.0, 2.0])), [singular])
          |> Nx.to_list()
        end

      assert error.label =~ "ExpressionsTest"
    end

    test "layers of a library name the nodes, in the order of the model" do
      layer = fn x, fun -> x |> fun.() |> Nx.Defn.Expr.metadata(%{axon_layer: :stage}) end

      model = fn x ->
        first = layer.(x, &Nx.multiply(&1, 2))
        # What of the second one does not need the first comes first in it.
        layer.(first, &Nx.add(Nx.multiply(x, 10), &1))
      end

      {:ok, ref} = Davit.Hooks.subscribe({:probe, "stage_*"})
      compiled(model, [Nx.tensor([1, 2])])

      assert %{
               "stage_0.multiply" => [2, 4],
               "stage_1.multiply" => [10, 20],
               "stage_1.add" => [12, 24]
             } ==
               probed(ref)

      Davit.Hooks.unsubscribe(ref)
    end

    defp probed(ref) do
      receive do
        {:davit_hook, ^ref, event} ->
          Map.put(probed(ref), event.label, Davit.Hooks.Event.to_list(event))
      after
        0 -> %{}
      end
    end

    test "there is no sharding, and that is said" do
      mesh = struct(Nx.Mesh, name: "mesh", shape: {2})

      assert_raise ArgumentError, ~r/no sharding/, fn ->
        Davit.__shard_jit__(&Nx.sin/1, mesh, [], &Nx.sin/1, [], [])
      end
    end

    test "what is for other compilers makes no difference" do
      assert compiled(&Nx.add(&1, 1), [1], cache: "path", client: :host, batch_keys: [:a])
             |> Nx.to_number() == 2

      assert Davit.__to_backend__(engine: Mine, client: :host) == {Davit.Backend, [engine: Mine]}
      assert Davit.__partitions_options__(max_concurrency: 2, hooks: %{}) |> length() == 2
    end
  end
end
