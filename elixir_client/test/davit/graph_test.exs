defmodule Davit.GraphTest do
  use ExUnit.Case, async: true
  doctest Davit.Graph
  doctest Davit.Hooks.Id
  doctest Davit.Hooks.Site

  alias Davit.Graph, as: G
  alias Davit.Graph.OpTable
  alias Davit.Hooks.Id

  @f {:float32, {2, 3}}

  defp nodes(graph, index \\ 0), do: Enum.at(graph.functions, index).nodes

  test "values are numbered: parameters, then outputs of nodes in order" do
    graph =
      G.build([@f, @f], fn x, y ->
        [q, r] = G.divmod(x, y)
        {G.add(q, r), y}
      end)

    assert [%{op: "divmod", inputs: [0, 1], outputs: 2}, %{op: "add", inputs: [2, 3]}] =
             nodes(graph)

    assert hd(graph.functions).results == [4, 1]
  end

  test "parameters have names, all or none" do
    y = {"w.0", {:int8, [4]}}
    graph = G.build([{:x, @f}, y], fn x, _ -> G.exp(x) end)

    assert [%{parameter_names: ["x", "w.0"], parameters: [@f, {:int8, {4}}]}] = graph.functions
    assert G.from_binary(G.to_binary(graph)).functions == graph.functions

    # Names are part of the graph; without them it is as it was before there were any.
    bare = G.build([@f, {:int8, {4}}], fn x, _ -> G.exp(x) end)
    refute Map.has_key?(hd(bare.functions), :parameter_names)
    refute G.to_binary(bare) =~ "parameter_names"
    refute G.hash(bare) == G.hash(graph)
    refute Map.has_key?(hd(G.build([], fn -> G.constant(1, :int8) end).functions), :parameter_names)

    # Functions inside have none.
    loop = G.build([x: @f], fn x -> G.for_loop(2, x, fn _, x -> G.add(x, 1) end) end)
    assert [%{parameter_names: ["x"]}, inner] = loop.functions
    refute Map.has_key?(inner, :parameter_names)

    for {parameters, message} <- [
          {[@f, {:x, @f}], ~r/parameter 0 has no name, and others have/},
          {[x: @f, x: @f], ~r/two parameters are named "x"/},
          {[{:x, @f}, {"x", @f}], ~r/two parameters are named "x"/},
          {[{"", @f}, {"x", @f}], ~r/name is an atom or a string of 1 to 4096 bytes, got ""/},
          {[{nil, @f}, {"x", @f}], ~r/name is an atom or a string of 1 to 4096 bytes, got nil/},
          {[{1, @f}, {"x", @f}], ~r/name is an atom or a string of 1 to 4096 bytes, got 1/},
          {[{<<255>>, @f}, {"x", @f}], ~r/name is UTF-8, got <<255>>/},
          {[{:x, {:float8, {}}}, {:y, @f}], ~r/a dtype of .*got :float8/},
          {[{:x, {2, 3}}, {:y, @f}], ~r/a dtype of .*got :x/},
          {[:float32, @f], ~r/expected the type of a parameter, .* got :float32/}
        ] do
      assert_raise ArgumentError, message, fn -> G.build(parameters, fn x, _ -> x end) end
    end
  end

  test "every op of the table is a function" do
    exported = G.__info__(:functions) |> Keyword.keys() |> MapSet.new()

    for {name, row} <- OpTable.ops(), not row.structural do
      function = name |> String.replace(".", "_") |> String.to_existing_atom()
      assert function in exported, "#{name} has no function"
    end

    for function <- [:constant, :external, :call, :callback, :cond, :switch, :while, :for_loop] do
      assert function in exported
    end

    # Derivatives are made by the engine's tracer; their functions cannot be named here.
    for name <- [:vjp, :jvp], do: refute(name in exported)
  end

  test "numbers become constants of the dtype beside them" do
    graph =
      G.build([{:bfloat16, {}}, {:int8, {}}, {:bool, {}}], fn x, n, b ->
        [
          G.add(x, 1),
          G.add(n, 1),
          G.add(n, 0.5),
          G.add(b, 1),
          G.add([1, 2], x),
          G.less(:infinity, x)
        ]
      end)

    constants =
      for %{op: "constant", attributes: a} <- nodes(graph), do: {a["dtype"], a["shape"], a["data"]}

    assert constants == [
             {"bfloat16", [], <<0x80, 0x3F>>},
             {"int8", [], <<1>>},
             {"float32", [], <<0.5::float-little-32>>},
             {"int32", [], <<1, 0, 0, 0>>},
             {"bfloat16", [2], <<0x80, 0x3F, 0, 0x40>>},
             {"bfloat16", [], <<0x80, 0x7F>>}
           ]
  end

  test "numbers that are positions become int32, whatever is beside them" do
    graph =
      G.build([{:bfloat16, {2, 3}}], fn x ->
        [
          G.take(x, [1, 0], axis: 0),
          G.gather([x, [0], 1], axes: [0, 1], slice_sizes: [1, 1]),
          G.dynamic_slice(x, [1], axes: [0], slice_size: [1, 3])
        ]
      end)

    constants = for %{op: "constant", attributes: a} <- nodes(graph), do: {a["dtype"], a["shape"]}
    assert constants == [{"int32", [2]}, {"int32", [1]}, {"int32", []}, {"int32", [1]}]
  end

  test "an op returns as many values as its row says" do
    counts = fn build ->
      graph = G.build([{:float32, {4, 4}}], fn x -> build.(x) end)
      graph |> nodes() |> List.last() |> Map.fetch!(:outputs)
    end

    assert counts.(&G.linalg_svd/1) == 3
    assert counts.(&G.linalg_svd(&1, compute_uv: false)) == 1
    assert counts.(&G.quantize(&1, group_size: 32)) == 3
    assert counts.(&G.quantize(&1, mode: "mxfp4")) == 2
    assert counts.(&G.split(&1, sections: 2)) == 2
    assert counts.(&G.split(&1, indices: [1, 3])) == 3
    assert counts.(&G.unstack(&1, axis: -1)) == 4
    assert counts.(&G.unique(&1, size: 4, return_counts: true)) == 2
    assert counts.(&G.meshgrid([&1, &1])) == 2
  end

  test "a large constant is named by its hash, and travels beside the graph" do
    bytes = :crypto.strong_rand_bytes(4096)
    graph = G.build([], fn -> G.constant(bytes, {:uint8, {4096}}) end)
    hash = :crypto.hash(:sha256, bytes)
    assert [%{op: "constant_by_hash", attributes: %{"hash" => ^hash}}] = nodes(graph)
    assert graph.constants == %{Base.encode16(hash, case: :lower) => {{:uint8, {4096}}, bytes}}
  end

  test "an external has a name and a type; the graph says nothing of its tensor" do
    graph = G.build([], fn -> G.external("w", {:float32, {2}}) end)
    assert [%{op: "external", attributes: attributes}] = nodes(graph)
    assert attributes == %{"dtype" => "float32", "shape" => [2], "name" => "w"}
    empty = fn -> G.build([], fn -> G.external("", {:float32, {2}}) end) end
    assert_raise ArgumentError, ~r/name of an external is empty/, empty
  end

  test "hooks keep their place, their ids and their containers" do
    graph =
      G.build([@f], fn x ->
        G.hook(x, "unused")
        {a, [b]} = {G.hook({x, x}, &String.upcase/1, label: "l"), G.print([x], "p", precision: 3)}
        {a0, a1} = a
        [G.add(a0, a1), b, G.callback(x, "ask", {:int8, {}})]
      end)

    assert [unused, external, print, _add, call] = nodes(graph)

    assert unused.op == "custom_call.hook"
    assert unused.attributes == %{"id" => Id.named("unused"), "name" => "unused"}
    assert external.attributes["id"] == Id.of(&String.upcase/1)
    assert external.attributes["name"] == "&String.upcase/1"
    assert %{outputs: 2, label: "l", inputs: [0, 0]} = external
    assert print.attributes["precision"] == 3
    assert print.op == "custom_call.print"
    assert %{op: "custom_call.callback", attributes: %{"results" => [{:int8, {}}]}} = call
  end

  test "functions of hooks and callbacks are beside the graph, by their ids" do
    build = fn a, b ->
      G.build([@f], fn x ->
        x = G.hook(x, a)

        x =
          G.cond(G.less(x, 0), fn -> G.callback(x, b, @f) end, fn -> G.hook(x, &String.upcase/1) end)

        G.hook(x, a)
      end)
    end

    {a, b} = {fn _ -> :a end, fn _ -> :b end}
    graph = build.(a, b)
    mfa = Id.of(&String.upcase/1)

    assert graph.handlers == [
             {:hook, Id.slot(0), a},
             {:callback, Id.slot(1), b},
             {:hook, mfa, &String.upcase/1},
             {:hook, Id.slot(2), a}
           ]

    ids =
      for f <- graph.functions, %{op: "custom_call." <> _, attributes: a} <- f.nodes, do: a["id"]

    assert Enum.sort(ids) == Enum.sort([Id.slot(0), Id.slot(1), mfa, Id.slot(2)])
    # Other functions, the same program.
    assert G.hash(graph) == G.hash(build.(fn _ -> 1 end, fn _ -> 2 end))
    assert G.from_binary(G.to_binary(graph)).handlers == []
    # A graph that is built while another one is has its own.
    outer = G.build([@f], fn x -> if build.(a, b) == graph, do: G.hook(x, b) end)
    assert outer.handlers == [{:hook, Id.slot(0), b}]
  end

  test "what is no receiver is named" do
    for {build, message} <- [
          {&G.hook(&1, :name), ~r/a hook is for a name or a function of an event, got :name/},
          {&G.hook(&1, fn -> 1 end), ~r/a function of an event/},
          {&G.print(&1, fn _ -> 1 end), ~r/a print is for a name/},
          {&G.print(&1, "p", precision: 1.5), ~r/precision is 1.5; expected an integer/},
          {&G.callback(&1, 7, @f), ~r/a callback is for a name or a function of an event, got 7/},
          {&G.hook(&1, "h", to: self()), ~r/the option :to is a value of the graph/},
          {&G.hook(&1, fn _ -> 1 end, to: &1), ~r/the option :to is a value of the graph/}
        ] do
      assert_raise ArgumentError, message, fn -> G.build([@f], build) end
    end
  end

  test "labels, given at once or afterwards" do
    graph = G.build([@f], fn x -> x |> G.exp(label: "a") |> G.sum() |> G.label("b") end)
    assert ["a", "b"] = Enum.map(nodes(graph), & &1.label)

    assert_raise ArgumentError, ~r/parameter has no label/, fn ->
      G.build([@f], &G.label(&1, "x"))
    end
  end

  describe "control flow" do
    test "a branch captures what it uses, and both take the same" do
      graph =
        G.build([{:bool, {}}, @f, @f], fn p, x, y ->
          z = G.add(x, y)
          G.cond(p, fn -> {G.multiply(z, 2), x} end, fn -> {y, x} end)
        end)

      assert [%{op: "add"}, cond] = nodes(graph)
      # Captured in the order of use: z, x, y.
      assert %{inputs: [0, 3, 1, 2], outputs: 2, attributes: %{"then" => 1, "else" => 2}} = cond
      [_, then, otherwise] = graph.functions
      assert then.parameters == [@f, @f, @f] and otherwise.parameters == then.parameters
      assert then.results == [4, 1]
      assert otherwise.results == [2, 1]
      assert hd(graph.functions).results == [4, 5]
    end

    test "loops carry values and pass along what they captured" do
      graph =
        G.build([{:int32, {}}, @f], fn n, x ->
          {_, y} =
            G.while({G.constant(0, :int32), x}, fn i, _ -> G.less(i, n) end, fn i, y ->
              {G.add(i, 1), G.add(y, x)}
            end)

          G.for_loop(10, y, fn _i, y -> G.add(y, x) end)
        end)

      assert [_, %{op: "while"} = while, %{op: "for"} = counted] = nodes(graph)
      # Carries, then what predicate and body captured.
      assert while.inputs == [2, 1, 0, 1] and while.outputs == 2
      assert [predicate, body, step] = tl(graph.functions)
      assert predicate.parameters == [{:int32, {}}, @f, {:int32, {}}, @f]
      assert body.parameters == predicate.parameters
      assert counted.attributes == %{"count" => 10, "body" => 3}
      assert step.parameters == [{:int32, {}}, @f, @f]
    end

    test "functions within functions come after those that call them" do
      graph =
        G.build([{:bool, {}}, @f], fn p, x ->
          G.cond(p, fn -> G.cond(p, fn -> G.exp(x) end, fn -> x end) end, fn ->
            G.switch(p, [fn -> x end])
          end)
        end)

      for {function, index} <- Enum.with_index(graph.functions),
          node <- function.nodes,
          called <- List.flatten(Map.values(node.attributes)),
          is_integer(called) do
        assert called > index
      end

      assert length(graph.functions) == 6
      assert G.from_binary(G.to_binary(graph)).functions |> length() == 6
    end

    test "types that sub-functions need are asked for" do
      message = ~r/typed/

      assert_raise ArgumentError, message, fn ->
        G.build([@f], fn x -> x |> G.topk(k: 1) |> G.while(fn _ -> x end, fn x -> x end) end)
      end

      assert_raise ArgumentError, message, fn ->
        G.build([{:bool, {}}, @f], fn p, x ->
          t = G.topk(x, k: 1)
          G.cond(p, fn -> t end, fn -> t end)
        end)
      end

      graph =
        G.build([{:bool, {}}, @f], fn p, x ->
          t = x |> G.topk(k: 1) |> G.typed({:float32, {2, 1}})
          G.cond(p, fn -> t end, fn -> t end)
        end)

      assert Enum.at(graph.functions, 1).parameters == [{:float32, {2, 1}}]
    end

    test "loops and branches that do not fit are refused" do
      for {message, fun} <- [
            {~r/1 carries/, fn x -> G.while(x, fn _ -> x end, fn x -> {x, x} end) end},
            {~r/1 and 2 values/, fn x -> G.cond(x, fn -> x end, fn -> {x, x} end) end}
          ] do
        assert_raise ArgumentError, message, fn -> G.build([@f], fun) end
      end
    end
  end

  test "mistakes are named" do
    for {message, fun} <- [
          {~r/there is no op "sofmax", did you mean "softmax"\?/, fn x -> G.op("sofmax", [x]) end},
          {~r/op add takes 2 operands \(a, b\), got 1/, fn x -> G.op("add", [x]) end},
          {~r/op sum has no attribute axis; it has axes, keepdims/, fn x -> G.sum(x, axis: 1) end},
          {~r/op sum: axes is 1; expected a list of integers/, fn x -> G.sum(x, axes: 1) end},
          {~r/op astype needs the attribute dtype/, fn x -> G.astype(x) end},
          {~r/dtype is :float31; expected a dtype/, fn x -> G.astype(x, dtype: :float31) end},
          {~r/expected a value of the graph, or/, fn _ -> 1 end},
          {~r/give the option :outputs/, fn x -> G.op("unstack", [G.topk(x, k: 1)]) end}
        ] do
      assert_raise ArgumentError, message, fn -> G.build([@f], fun) end
    end

    assert_raise ArgumentError, ~r/inside Davit.Graph.build/, fn -> G.constant(1, :int8) end

    G.build([@f], fn x ->
      Process.put(:leak, x)
      x
    end)

    assert_raise ArgumentError, ~r/outside of the function/, fn ->
      G.build([@f], fn _ -> G.exp(Process.get(:leak)) end)
    end
  end

  test "the same graph has the same bytes and hash" do
    build = fn ->
      G.build([@f], fn x -> x |> G.add(1.5) |> G.softmax(axes: [-1], label: "s") end)
    end

    assert G.to_binary(build.()) == G.to_binary(build.())
    bytes = G.to_binary(build.())
    assert G.hash(bytes) == G.hash(build.())
    assert G.to_binary(G.from_binary(bytes)) == bytes
    assert G.hash(bytes) =~ ~r/^[0-9a-f]{64}$/
  end
end
