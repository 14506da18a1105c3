defmodule Davit.AssemblyTest do
  use ExUnit.Case, async: true

  alias Davit.Graph
  alias Davit.Graph.{Assembly, Expression, Function}

  doctest Expression

  @vector {:float32, {3}}
  @bool {:bool, {}}

  defp add(a, b), do: Expression.node("add", [a, b], %{}, @vector)

  defp function(name, parameters, results),
    do: %Function{name: name, parameters: parameters, results: results}

  defp condition(predicate, then, otherwise) do
    functions = [
      {"then", function("then", [], [then])},
      {"else", function("else", [], [otherwise])}
    ]

    [value] = Expression.node("cond", [predicate], %{}, [@vector], functions: functions)
    value
  end

  defp nodes(function), do: for(node <- function.nodes, do: {node.op, node.inputs})

  test "nodes stand in the order in which they were made, each once" do
    x = Expression.parameter(@vector)
    a = Expression.node("sin", [x], %{}, @vector)
    b = Expression.node("cos", [x], %{}, @vector)
    graph = Assembly.graph([x], [add(b, a), a])
    assert [%{results: [3, 1]} = main] = graph.functions
    assert nodes(main) == [{"sin", [0]}, {"cos", [0]}, {"add", [2, 1]}]
  end

  test "the graph is the one that Davit.Graph builds" do
    x = Expression.parameter(@vector)
    one = Expression.constant(<<1.0::float-little-32>>, {:float32, {}})
    graph = Assembly.graph([x], [Expression.node("multiply", [add(x, x), one], %{}, @vector)])

    built =
      Graph.build([@vector], fn x ->
        one = Graph.constant(1.0, :float32)
        Graph.multiply(Graph.add(x, x), one)
      end)

    assert [%{nodes: [%{op: "constant"}, %{op: "add"}, %{op: "multiply"}]}] = graph.functions
    assert Graph.hash(graph) == Graph.hash(built)
  end

  test "an effect is kept, and an expression that nobody uses is not" do
    x = Expression.parameter(@vector)
    hook = Expression.node("sin", [x], %{}, @vector)
    _unused = Expression.node("cos", [x], %{}, @vector)
    assert [main] = Assembly.graph([x], [x], effects: [hook]).functions
    assert nodes(main) == [{"sin", [0]}]
  end

  test "what only a branch uses is computed there; what is used outside as well is handed to it" do
    p = Expression.parameter(@bool)
    x = Expression.parameter(@vector)
    shared = Expression.node("sin", [x], %{}, @vector)
    lazy = Expression.node("exp", [shared], %{}, @vector)
    graph = Assembly.graph([p, x], [condition(p, lazy, x), shared])

    assert [main, then, otherwise] = graph.functions
    assert nodes(main) == [{"sin", [1]}, {"cond", [0, 1, 2]}]
    assert {then.parameters, nodes(then), then.results} == {[@vector, @vector], [{"exp", [1]}], [2]}

    assert {otherwise.parameters, nodes(otherwise), otherwise.results} ==
             {[@vector, @vector], [], [0]}

    assert Enum.at(main.nodes, 1).attributes == %{"then" => 1, "else" => 2}
  end

  test "what an inner function captures goes through the outer one" do
    p = Expression.parameter(@bool)
    x = Expression.parameter(@vector)
    shared = Expression.node("sin", [x], %{}, @vector)
    inner = condition(p, shared, x)
    graph = Assembly.graph([p, x], [condition(p, inner, x), shared])
    assert [main, outer, then, otherwise, _else] = graph.functions
    assert nodes(main) == [{"sin", [1]}, {"cond", [0, 0, 1, 2]}]
    assert outer.parameters == [@bool, @vector, @vector]
    assert nodes(outer) == [{"cond", [0, 1, 2]}]
    assert then.results == [1]
    assert otherwise.results == [0]
  end

  test "what several branches use is computed once, before them" do
    p = Expression.parameter(@bool)
    x = Expression.parameter(@vector)
    shared = Expression.node("sin", [x], %{}, @vector)
    graph = Assembly.graph([p, x], [condition(p, shared, add(shared, x))])
    assert [main, then, otherwise] = graph.functions
    assert nodes(main) == [{"sin", [1]}, {"cond", [0, 1, 2]}]
    assert nodes(then) == []
    assert nodes(otherwise) == [{"add", [1, 0]}]

    # A chain of conditions grows with its length.
    chain = Enum.reduce(1..20, x, fn _, value -> condition(p, value, add(value, value)) end)
    assert [main | functions] = Assembly.graph([p, x], [chain]).functions
    assert length(main.nodes) == 20
    assert length(functions) == 40
  end

  test "an effect in some branches stays there; in all of them, or in two conditions, it happens once before them" do
    p = Expression.parameter(@bool)
    x = Expression.parameter(@vector)
    [hook] = Expression.node("custom_call.hook", [x], %{"id" => <<0::128>>}, [@vector])

    ops = fn result ->
      for function <- Assembly.graph([p, x], [result]).functions,
          do: Enum.map(function.nodes, & &1.op)
    end

    partly = condition(p, hook, condition(p, hook, x))
    assert ops.(partly) == [["cond"], ["custom_call.hook"], ["cond"], ["custom_call.hook"], []]

    fully = condition(p, hook, condition(p, hook, hook))
    assert [["custom_call.hook", "cond"] | _] = ops.(fully)

    twice = add(condition(p, hook, x), condition(p, x, hook))
    assert [["custom_call.hook", "cond", "cond", "add"] | _] = ops.(twice)
  end

  test "an effect in a loop stays there, and what else its two functions use is computed before it" do
    x = Expression.parameter(@vector)
    table = Expression.node("sin", [x], %{}, @vector)
    [hook] = Expression.node("custom_call.hook", [table], %{"id" => <<0::128>>}, [@vector])
    less = Expression.node("less", [hook, table], %{}, {:bool, {3}})
    predicate = Expression.node("all", [less], %{}, @bool)
    carry = Expression.parameter(@vector)

    functions = [
      {"predicate", function("predicate", [Expression.parameter(@vector)], [predicate])},
      {"body", function("body", [carry], [add(carry, hook)])}
    ]

    [looped] = Expression.node("while", [x], %{}, [@vector], functions: functions)
    assert [main, predicate, body] = Assembly.graph([x], [looped]).functions
    assert nodes(main) == [{"sin", [0]}, {"while", [0, 1]}]
    assert [{"custom_call.hook", [1]} | _] = nodes(predicate)
    assert [{"custom_call.hook", [1]} | _] = nodes(body)
  end

  test "what is to be computed after something is in the function that it is in" do
    x = Expression.parameter(@vector)
    [hook] = Expression.node("custom_call.hook", [x], %{"id" => <<0::128>>}, [@vector])
    result = Expression.node("sin", [x], %{}, @vector, after: [hook])
    assert [main] = Assembly.graph([x], [result]).functions
    assert nodes(main) == [{"custom_call.hook", [0]}, {"sin", [0]}]
  end

  test "nodes get the label under which they are made, unless they have one" do
    x = Expression.parameter(@vector)

    result =
      Expression.labelled("head", fn ->
        named = Expression.node("sin", [x], %{}, @vector, label: "own")
        Expression.node("cos", [named], %{}, @vector)
      end)

    assert [%{nodes: [%{label: "own"}, %{label: "head"}]}] = Assembly.graph([x], [result]).functions
    assert Expression.node("sin", [x], %{}, @vector).node.label == nil
    constant = Expression.labelled("head", fn -> Expression.constant(<<0::96>>, @vector) end)
    assert constant.node.label == nil
  end

  test "a constant is in every function that uses it" do
    p = Expression.parameter(@bool)
    constant = Expression.constant(<<0::96>>, @vector)
    graph = Assembly.graph([p], [condition(p, constant, constant), constant])

    assert Enum.map(graph.functions, &nodes/1) == [
             [{"constant", []}, {"cond", [0]}],
             [{"constant", []}],
             [{"constant", []}]
           ]
  end

  test "a large constant is named by its hash and kept beside the graph" do
    bytes = :binary.copy(<<7>>, 4096)
    graph = Assembly.graph([], [Expression.constant(bytes, {:uint8, {4096}})])
    hash = Base.encode16(:crypto.hash(:sha256, bytes), case: :lower)
    assert graph.constants == %{hash => {{:uint8, {4096}}, bytes}}
    assert [%{nodes: [%{op: "constant_by_hash"}]}] = graph.functions
  end

  test "a parameter of another function is refused" do
    x = Expression.parameter(@vector)
    assert_raise ArgumentError, ~r/outside of the function/, fn -> Assembly.graph([], [x]) end
  end
end
