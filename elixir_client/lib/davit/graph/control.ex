defmodule Davit.Graph.Control do
  @moduledoc false
  # Nodes that call functions of the graph. Each function is built when the node is, and is kept in the node
  # until `flatten/1` numbers them all.

  alias Davit.Graph.{Scope, Value}

  @doc "A container's values: a single value, a tuple or a list."
  @spec values(Value.t() | tuple | list) :: [Value.t()]
  def values(%Value{} = value), do: [value]
  def values(values) when is_tuple(values), do: values |> Tuple.to_list() |> values()

  def values(values) when is_list(values) do
    Enum.each(values, fn
      %Value{} -> :ok
      other -> raise ArgumentError, "expected a value of the graph, got #{Davit.Show.show(other)}"
    end)

    values
  end

  def values(other) do
    raise ArgumentError,
          "expected a value of the graph, or a tuple or list of them, got #{Davit.Show.show(other)}"
  end

  @doc "Values in the same container as before."
  @spec pack([Value.t()], term) :: Value.t() | tuple | list
  def pack([value], %Value{}), do: value
  def pack(values, container) when is_tuple(container), do: List.to_tuple(values)
  def pack(values, container) when is_list(container), do: values

  @doc "The type of every value, which sub-functions need. Raises where one is not known here."
  @spec types!([Value.t()]) :: [Davit.Type.t()]
  def types!(values) do
    for value <- values do
      value.type ||
        raise ArgumentError,
              "the type of an operand of a sub-function is not known here; state it with Davit.Graph.typed/2"
    end
  end

  @doc "Builds a function. Returns what `fun` returned, the scope and its results."
  def build(name, types, fun) do
    {returned, scope} = Scope.build(name, types, fun)
    {results, scope} = returned |> values() |> Scope.resolve_results(scope)
    {returned, scope, results}
  end

  @doc """
  Adds a node that calls the functions, which get their operands and all that any of them captured. The
  outputs have the types of the first function's results, or those given.
  """
  @spec node(String.t(), map, [{String.t(), tuple}], [Value.t()], [Davit.Type.t() | nil]) :: [
          Value.t()
        ]
  def node(op, attributes, functions, operands, types) do
    captures =
      functions
      |> Enum.flat_map(fn {_, {_, scope, _}} -> scope.captures end)
      |> Enum.reduce([], fn value, seen ->
        if Enum.any?(seen, &Scope.same?(&1, value)), do: seen, else: seen ++ [value]
      end)

    finished =
      for {key, {_, scope, results}} <- functions, do: {key, Scope.finish(scope, results, captures)}

    Scope.add(%{op: op, attributes: attributes, functions: finished}, operands ++ captures, types)
  end

  @doc "See `Davit.Graph.cond/3`."
  def cond(predicate, then, otherwise) do
    branches = [{"then", branch("then", then)}, {"else", branch("else", otherwise)}]
    branches("cond", branches, predicate)
  end

  @doc "See `Davit.Graph.switch/2`."
  def switch(index, functions) do
    branches =
      for {function, number} <- Enum.with_index(functions),
          do: {{"branches", number}, branch("branch#{number}", function)}

    branches("switch", branches, index)
  end

  defp branch(name, function), do: build(name, [], fn [] -> function.() end)

  defp branches(op, [{_, {container, _, _}} | rest] = branches, operand) do
    values = values(container)

    for {_, {other, _, _}} <- rest, length(values(other)) != length(values) do
      raise ArgumentError,
            "the branches of #{op} give #{length(values)} and #{length(values(other))} values"
    end

    types = Enum.map(values, & &1.type)
    op |> node(%{}, branches, [operand], types) |> pack(container)
  end

  @doc "See `Davit.Graph.while/3`."
  def while(initial, predicate, body) do
    carries = values(initial)
    types = types!(carries)
    predicate = build("predicate", types, &apply(predicate, &1))
    body = body!(build("body", types, &apply(body, &1)), carries)
    functions = [{"predicate", predicate}, {"body", body}]
    "while" |> node(%{}, functions, carries, types) |> pack(initial)
  end

  @doc "See `Davit.Graph.for_loop/3`."
  def for_loop(count, initial, body) do
    carries = values(initial)
    types = types!(carries)
    body = body!(build("body", [{:int32, {}} | types], &apply(body, &1)), carries)

    {attributes, operands} =
      case count do
        %Value{} -> {%{}, [count | carries]}
        count when is_integer(count) -> {%{"count" => count}, carries}
      end

    "for" |> node(attributes, [{"body", body}], operands, types) |> pack(initial)
  end

  defp body!({returned, _, results} = body, carries) do
    if length(results) != length(carries) do
      raise ArgumentError,
            "a loop has #{length(carries)} carries, but its body returned #{length(values(returned))}"
    end

    body
  end

  @doc "See `Davit.Graph.call/3`."
  def call(container, name, function) do
    values = values(container)
    built = build(name, types!(values), &apply(function, &1))
    {returned, _, _} = built
    types = returned |> values() |> Enum.map(& &1.type)
    "call" |> node(%{}, [{"function", built}], values, types) |> pack(returned)
  end

  @doc "The functions of a graph in order: each before those that it calls, and the first is the program."
  @spec flatten(map) :: [map]
  def flatten(main) do
    {functions, _} = number(main, 0)
    functions
  end

  # Returns the function and all below it, and the next free number.
  defp number(function, index) do
    {nodes, {below, next}} = Enum.map_reduce(function.nodes, {[], index + 1}, &called/2)
    {[%{function | nodes: nodes} | below], next}
  end

  defp called(%{functions: functions} = node, state) do
    {attributes, state} =
      Enum.reduce(functions, {node.attributes, state}, fn {key, function},
                                                          {attributes, {below, next}} ->
        {functions, after_it} = number(function, next)
        {put(attributes, key, next), {below ++ functions, after_it}}
      end)

    {node |> Map.delete(:functions) |> Map.put(:attributes, attributes), state}
  end

  defp called(node, state), do: {node, state}

  # The functions of one key, numbered, make a list.
  defp put(attributes, {key, _index}, number),
    do: Map.update(attributes, key, [number], &(&1 ++ [number]))

  defp put(attributes, key, number), do: Map.put(attributes, key, number)
end
