if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Control do
    @moduledoc false
    # Conditions and loops.

    alias Davit.Graph.{Expression, Function}
    alias Davit.Nx.{Compiler.Lower, Compiler.State, Mlx}

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
      {carries, state} = Lower.composite(initial, state)

      {predicate, state} =
        inside("predicate", carries, predicate, state, fn [value] -> [truth(value)] end)

      {body, state} = inside("body", carries, body, state, & &1)
      functions = [{"predicate", predicate}, {"body", body}]
      {add("while", carries, carries, functions, state), state}
    end

    defp inside(name, carries, container, state, results) do
      parameters = Enum.map(carries, &Expression.parameter(&1.type))
      {values, state} = State.inside(state, parameters, &Lower.function(container, &1))
      {function(name, parameters, results.(values)), state}
    end

    # A function with no results is of no use.
    defp add(_op, _operands, [], _functions, _state), do: []

    defp add(op, operands, like, functions, state) do
      types = Enum.map(like, & &1.type)
      options = [functions: functions, label: "#{state.label}.#{op}"]
      Expression.node(op, operands, %{}, types, options)
    end

    defp function(name, parameters, results),
      do: %Function{name: name, parameters: parameters, results: results}

    defp truth(value), do: Mlx.not_equal(value, 0)
  end
end
