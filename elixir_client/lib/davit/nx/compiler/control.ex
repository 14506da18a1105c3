if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Control do
    @moduledoc false
    # Conditions and loops.

    alias Davit.Graph.{Expression, Function}
    alias Davit.Nx.{Compiler.Loop, Compiler.Lower, Compiler.State, Mlx}
    alias Nx.Defn.Composite

    @doc "The values of the first clause whose predicate holds, or of the last container. Nothing else is computed."
    @spec condition([{Nx.Tensor.t(), Nx.Container.t()}], Nx.Container.t(), State.t()) ::
            {[Expression.t()], State.t()}
    def condition([], last, state), do: Lower.composite(last, state)

    def condition([{predicate, body} | clauses], last, state) do
      {predicate, state} = Lower.value(predicate, state)
      {then, state} = Lower.composite(body, state)
      {otherwise, state} = condition(clauses, last, state)
      functions = [{"then", function("then", [], then)}, {"else", function("else", [], otherwise)}]
      {add("cond", [truth(predicate)], then, functions, state), state}
    end

    @doc "The last carries of a loop."
    @spec while(Nx.Container.t(), Nx.Tensor.t(), Nx.Container.t(), State.t()) ::
            {[Expression.t()], State.t()}
    def while(initial, predicate, body, state) do
      [initial, body] = for carries <- [initial, body], do: Composite.flatten_list([carries])
      loop = Loop.of(initial, predicate, body)
      {carries, state} = Enum.map_reduce(initial, state, &Lower.value/2)

      if loop.counter,
        do: counted(loop, carries, body, state),
        else: uncounted(loop, carries, predicate, body, state)
    end

    # What the loop does not change is captured by its functions; the rest is carried.
    defp uncounted(loop, carries, predicate, body, state) do
      # A loop that changes nothing never ends, unless it never begins.
      kept = if MapSet.size(loop.kept) == length(carries), do: %{}, else: kept(loop, carries)

      {predicate, state} = inside("predicate", carries, kept, [predicate], state)
      predicate = %{predicate | results: Enum.map(predicate.results, &truth/1)}
      {body, state} = inside("body", carries, kept, changing(body, kept), state)
      functions = [{"predicate", predicate}, {"body", body}]
      changed = changing(carries, kept)
      results = add("while", changed, changed, functions, state)
      {merge(carries, results, kept), state}
    end

    # The counter follows from the number of the iteration.
    defp counted(%{counter: {place, step}} = loop, carries, body, state) do
      first = Enum.at(carries, place)
      iteration = Expression.parameter({:int32, {}})
      kept = loop |> kept(carries) |> Map.put(place, after_steps(first, step, iteration))
      {body, state} = inside("body", carries, kept, changing(body, kept), state)
      body = %{body | parameters: [iteration | body.parameters]}
      changed = changing(carries, kept)
      {count, attributes, operands} = count(loop, carries)

      results = add("for", operands ++ changed, changed, [{"body", body}], state, attributes)
      last = after_steps(first, step, Mlx.maximum(count, 0))
      {merge(carries, results, Map.put(kept, place, last)), state}
    end

    defp count(%{count: count}, _carries) when is_integer(count),
      do: {Mlx.scalar(count, :int64), %{"count" => count}, []}

    defp count(%{count: {direction, limit}, counter: {place, _}}, carries) do
      [first, limit] =
        for place <- [place, limit], do: carries |> Enum.at(place) |> Mlx.cast(:int64)

      count =
        if direction == :up_to, do: Mlx.subtract(limit, first), else: Mlx.subtract(first, limit)

      {count, %{}, [count]}
    end

    defp after_steps(first, step, count) do
      dtype = Mlx.dtype(first)
      count |> Mlx.cast(dtype) |> Mlx.multiply(step) |> Mlx.add(first)
    end

    # By place.
    defp kept(loop, carries), do: Map.new(loop.kept, &{&1, Enum.at(carries, &1)})

    defp changing(values, kept),
      do: for({value, place} <- Enum.with_index(values), not is_map_key(kept, place), do: value)

    defp merge(carries, results, kept) do
      {merged, []} =
        carries
        |> Enum.with_index()
        |> Enum.map_reduce(results, fn {_, place}, results ->
          case {kept, results} do
            {%{^place => value}, results} -> {value, results}
            {_, [value | results]} -> {value, results}
          end
        end)

      merged
    end

    # A function of the loop: its parameters stand for what changes.
    defp inside(name, carries, kept, results, state) do
      values =
        for {carry, place} <- Enum.with_index(carries),
            do: Map.get_lazy(kept, place, fn -> Expression.parameter(carry.type) end)

      {results, state} = State.inside(state, values, &Lower.function(List.to_tuple(results), &1))
      {function(name, changing(values, kept), results), state}
    end

    # A node without results would compute nothing.
    defp add(op, operands, like, functions, state, attributes \\ %{})
    defp add(_op, _operands, [], _functions, _state, _attributes), do: []

    defp add(op, operands, like, functions, state, attributes) do
      types = Enum.map(like, & &1.type)
      options = [functions: functions, label: "#{state.label}.#{op}"]
      Expression.node(op, operands, attributes, types, options)
    end

    defp function(name, parameters, results),
      do: %Function{name: name, parameters: parameters, results: results}

    # The lowering of a comparison is a bool that is cast to a number.
    defp truth(%Expression{node: %{op: "astype", inputs: [%{type: {:bool, {}}} = bool]}}), do: bool
    defp truth(value), do: Mlx.not_equal(value, 0)
  end
end
