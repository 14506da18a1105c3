defmodule Davit.Graph.Assembly do
  @moduledoc """
  Makes a graph of expressions, see `Davit.Graph.Expression`.

  A node belongs to the outermost function that uses it, and is computed there once. What only a branch or a body uses is
  in that function alone, so a branch that is not taken is not computed. What several branches use is computed before them,
  once; an effect among it stays in the branches if there is one that does not need it. A constant is in every function that uses it.
  """

  alias Davit.Graph
  alias Davit.Graph.Assembly.Sharing
  alias Davit.Graph.{Control, Expression, Function}

  @doc """
  The graph of a program with the parameters and results. Options: `:name`, default `"main"`; `:effects`, expressions that
  are kept though no result needs them, as hooks are; `:label`, for nodes that have none.
  """
  @spec graph([Expression.t()], [Expression.t()], keyword) :: Graph.t()
  def graph(parameters, results, options \\ []) do
    main = %Function{
      name: Keyword.get(options, :name, "main"),
      parameters: parameters,
      results: results,
      effects: Keyword.get(options, :effects, [])
    }

    {built, captures} = function(main, MapSet.new())
    captures == [] || raise ArgumentError, outside()
    functions = built |> finish([]) |> Control.flatten()

    %Graph{
      functions: Enum.map(functions, &(&1 |> Map.delete(:constants) |> label(options[:label]))),
      constants:
        for(%{constants: constants} <- functions, constant <- constants, into: %{}, do: constant)
    }
  end

  defp label(function, nil), do: function

  defp label(function, label),
    do: %{function | nodes: Enum.map(function.nodes, &Map.put_new(&1, :label, label))}

  defp outside, do: "a parameter is used outside of the function that it belongs to"

  # The function with its nodes in order, and those expressions from around it that it uses. `around` holds the ids of what is
  # there to be used.
  defp function(function, around) do
    own = MapSet.new(function.parameters, & &1.node.id)
    roots = function.results ++ function.effects
    {nodes, captures} = roots |> reach({%{}, %{}}, own, around) |> share(own, around)

    nodes = nodes |> Map.values() |> Enum.sort_by(& &1.id)
    inside = nodes |> MapSet.new(& &1.id) |> MapSet.union(own)
    around = MapSet.union(around, inside)
    {nodes, captures} = Enum.map_reduce(nodes, captures, &calls(&1, &2, inside, around))

    {%{function: function, nodes: nodes}, captures |> Map.values() |> Enum.sort_by(&order/1)}
  end

  # With what several of the functions that the nodes call use.
  defp share({nodes, _} = state, own, around) do
    with [_ | _] = calls <- for({_, %{functions: [_ | _]} = node} <- nodes, do: node),
         here = nodes |> Map.keys() |> MapSet.new() |> MapSet.union(own) |> MapSet.union(around),
         [_ | _] = shared <- Sharing.shared(calls, here) do
      shared |> reach(state, own, around) |> share(own, around)
    else
      [] -> state
    end
  end

  defp order(expression), do: {expression.node.id, expression.output}

  # The nodes that belong to a function, by id, and what it captures.
  defp reach([], state, _own, _around), do: state
  defp reach([nil | rest], state, own, around), do: reach(rest, state, own, around)

  defp reach(
         [%{node: %{id: id} = node} = expression | rest],
         {nodes, captures} = state,
         own,
         around
       ) do
    cond do
      is_map_key(nodes, id) or MapSet.member?(own, id) ->
        reach(rest, state, own, around)

      node.op == :parameter or (MapSet.member?(around, id) and not Expression.constant?(expression)) ->
        reach(rest, {nodes, Map.put(captures, order(expression), expression)}, own, around)

      true ->
        state = reach(node.inputs ++ node.after, {Map.put(nodes, id, node), captures}, own, around)
        reach(rest, state, own, around)
    end
  end

  # A node with its functions built. All of them get what any of them captures, as the node's last operands.
  defp calls(%{functions: []} = node, captures, _inside, _around), do: {node, captures}

  defp calls(%{functions: functions} = node, captures, inside, around) do
    built = for {key, function} <- functions, do: {key, function(function, around)}

    captured =
      built
      |> Enum.flat_map(fn {_, {_, captured}} -> captured end)
      |> Enum.uniq_by(&order/1)
      |> Enum.sort_by(&order/1)

    functions = for {key, {function, _}} <- built, do: {key, finish(function, captured)}
    outer = Enum.reject(captured, &MapSet.member?(inside, &1.node.id))
    captures = Map.merge(captures, Map.new(outer, &{order(&1), &1}))
    {%{node | inputs: node.inputs ++ captured, functions: functions}, captures}
  end

  # The function as a graph holds it, with numbered values.
  defp finish(%{function: function, nodes: nodes}, captures) do
    parameters = function.parameters ++ captures
    numbers = for {p, number} <- Enum.with_index(parameters), into: %{}, do: {order(p), number}

    {numbers, _} =
      for node <- nodes, output <- outputs(node), reduce: {numbers, length(parameters)} do
        {numbers, next} -> {Map.put(numbers, {node.id, output}, next), next + 1}
      end

    number = fn
      nil -> -1
      expression -> Map.fetch!(numbers, order(expression))
    end

    %{
      name: function.name,
      parameters: Enum.map(parameters, & &1.type),
      nodes: Enum.map(nodes, &written(&1, number)),
      results: Enum.map(function.results, number),
      constants: for(%{data: {hash, type, bytes}} <- nodes, do: {hash, {type, bytes}})
    }
  end

  defp outputs(%{outputs: count}), do: Enum.to_list(0..(count - 1))

  defp written(node, number) do
    written = %{
      op: node.op,
      attributes: node.attributes,
      inputs: Enum.map(node.inputs, number),
      outputs: node.outputs
    }

    written =
      if node.functions == [], do: written, else: Map.put(written, :functions, node.functions)

    if node.label, do: Map.put(written, :label, node.label), else: written
  end
end
