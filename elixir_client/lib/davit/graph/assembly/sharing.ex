defmodule Davit.Graph.Assembly.Sharing do
  @moduledoc false
  # Finds what several branches or bodies use: a function computes that once, for all that it calls. A hook or a call among it
  # must happen as often as before: it stays where it is if it is in a loop, or if there is a branch of the same `cond`
  # that does not need it.

  alias Davit.Graph.{Expression, Function}

  @loops ["while", "for"]

  # `around`: the ids of what is at hand. `facts`: by id, the parameters that a node depends on and that are not at hand, and
  # whether it has an effect. `found`: the expressions by id. `looped`: effects inside of loops.
  defstruct [:around, facts: %{}, found: %{}, looped: MapSet.new()]

  @doc """
  The expressions that more than one function of the nodes uses, and that depend on nothing but what is around: on
  what has one of the ids.
  """
  @spec shared([Expression.graph_node()], MapSet.t()) :: [Expression.t()]
  def shared(nodes, around) do
    uses =
      for %{functions: [_ | _]} = node <- nodes, {key, function} <- node.functions do
        seen = roots(function, node.op in @loops, %__MODULE__{around: around})
        {node, key, seen}
      end

    found = for {_, _, seen} <- uses, reduce: %{}, do: (found -> Map.merge(found, seen.found))

    by_id =
      Enum.group_by(for({node, _, seen} <- uses, id <- free(seen), do: {id, node}), &elem(&1, 0))

    shared =
      for {id, [_, _ | _] = users} <- by_id,
          shared?(id, users, uses, around),
          into: MapSet.new(),
          do: id

    # What only other shared values use is not shared when those are.
    nodes |> first(shared, around) |> Enum.map(&Map.fetch!(found, &1))
  end

  # The shared ones that are used by something that is not shared.
  defp first(nodes, shared, around) do
    roots = for node <- nodes, {_, function} <- node.functions, do: used(function)
    {first, _} = walk(roots, {[], around}, shared)
    first
  end

  defp walk([], state, _shared), do: state

  defp walk([list | rest], state, shared) when is_list(list),
    do: walk(rest, walk(list, state, shared), shared)

  defp walk([nil | rest], state, shared), do: walk(rest, state, shared)

  defp walk([%{node: %{id: id} = node} | rest], {first, seen}, shared) do
    state =
      cond do
        MapSet.member?(seen, id) ->
          {first, seen}

        MapSet.member?(shared, id) ->
          {[id | first], MapSet.put(seen, id)}

        true ->
          inner = for {_, function} <- node.functions, do: used(function)
          walk([node.inputs, node.after | inner], {first, MapSet.put(seen, id)}, shared)
      end

    walk(rest, state, shared)
  end

  defp used(function), do: function.results ++ function.effects

  defp free(seen), do: for({id, {dependencies, _}} <- seen.facts, dependencies == [], do: id)

  defp shared?(id, users, uses, around) do
    effect? = Enum.any?(uses, fn {_, _, seen} -> match?(%{^id => {_, true}}, seen.facts) end)
    looped? = effect? and Enum.any?(uses, fn {_, _, seen} -> MapSet.member?(seen.looped, id) end)

    case users |> Enum.map(&elem(&1, 1)) |> Enum.uniq_by(& &1.id) do
      _ when not effect? -> true
      _ when looped? -> false
      [node] -> certain?(id, node, around)
      _ -> true
    end
  end

  defp roots(function, loop?, state) do
    Enum.reduce(used(function), state, &visit(&1, loop?, &2))
  end

  defp visit(nil, _loop?, state), do: state

  defp visit(%{node: %{id: id} = node} = expression, loop?, state) do
    cond do
      MapSet.member?(state.around, id) or Expression.constant?(expression) ->
        state

      is_map_key(state.facts, id) ->
        looped(state, id, loop?)

      node.op == :parameter ->
        put(state, id, {[id], false})

      true ->
        state = Enum.reduce(node.inputs ++ node.after, state, &visit(&1, loop?, &2))
        inner? = loop? or node.op in @loops
        state = Enum.reduce(node.functions, state, fn {_, f}, state -> roots(f, inner?, state) end)
        state = put(state, id, facts(node, state))
        looped(%{state | found: Map.put(state.found, id, expression)}, id, loop?)
    end
  end

  defp put(state, id, facts), do: %{state | facts: Map.put(state.facts, id, facts)}

  defp looped(%{facts: facts} = state, id, true) when elem(:erlang.map_get(id, facts), 1),
    do: %{state | looped: MapSet.put(state.looped, id)}

  defp looped(state, _id, _loop?), do: state

  defp facts(node, state) do
    {dependencies, effect?} = join(node.inputs ++ node.after, state)
    effect? = effect? or effect?(node.op)

    Enum.reduce(node.functions, {dependencies, effect?}, fn {_, function}, {all, effect?} ->
      {inner, inner_effect?} = join(used(function), state)
      own = Enum.map(function.parameters, & &1.node.id)
      {Enum.uniq(all ++ (inner -- own)), effect? or inner_effect?}
    end)
  end

  defp effect?(op), do: is_binary(op) and String.starts_with?(op, "custom_call.")

  defp join(expressions, state) do
    Enum.reduce(expressions, {[], false}, fn expression, {dependencies, effect?} ->
      case expression && state.facts[expression.node.id] do
        nil -> {dependencies, effect?}
        {more, more?} -> {Enum.uniq(more ++ dependencies), effect? or more?}
      end
    end)
  end

  # Whether the value is computed whichever branch is taken.
  defp certain?(_id, %{op: op}, _around) when op in @loops, do: false

  defp certain?(id, node, around) do
    Enum.all?(node.functions, fn {_, %Function{} = function} ->
      direct = direct(used(function), around, %{})

      is_map_key(direct, id) or
        Enum.any?(direct, fn {_, node} -> node.functions != [] and certain?(id, node, around) end)
    end)
  end

  # What is computed by a function itself, by id.
  defp direct([], _around, seen), do: seen
  defp direct([nil | rest], around, seen), do: direct(rest, around, seen)

  defp direct([%{node: %{id: id} = node} | rest], around, seen) do
    if is_map_key(seen, id) or MapSet.member?(around, id),
      do: direct(rest, around, seen),
      else: direct(node.inputs ++ node.after ++ rest, around, Map.put(seen, id, node))
  end
end
