if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.State do
    @moduledoc false
    # What lowering an expression has found so far.

    alias Davit.Graph.Expression
    alias Davit.Nx.Compiler.{Calls, Key}
    alias Nx.Tensor, as: T

    # - captured: the places of the captured tensors, by their keys
    # - label: the part of the program that the nodes belong to
    # - layers: how many layers of each kind there were
    # - parameters: the values of the parameters of the function that is lowered; `:root` for the program itself
    # - memo: the values of that function's nodes, by id
    # - inputs: the program's parameters, with their numbers, by what is passed for them
    # - calls: hooks and calls, the last one first
    # - ids: the owners of the ids of hooks and calls
    defstruct [
      :engine,
      :captured,
      :label,
      layers: %{},
      parameters: :root,
      memo: %{},
      inputs: %{},
      calls: [],
      ids: %{}
    ]

    @typedoc "What is passed at a run: an argument, a captured tensor, or a tensor that was made while tracing."
    @type input :: {:argument, non_neg_integer} | {:captured, non_neg_integer} | {:tensor, T.t()}

    @typedoc "The value of a node: an expression, or a tuple of them."
    @type value :: Expression.t() | tuple

    @type t :: %__MODULE__{
            engine: Davit.Engine.name(),
            captured: %{term => non_neg_integer},
            label: String.t(),
            layers: %{String.t() => pos_integer},
            parameters: :root | [value],
            memo: %{term => value},
            inputs: %{input => {non_neg_integer, Expression.t()}},
            calls: [Calls.call()],
            ids: map
          }

    @spec new(Davit.Engine.name(), [T.t()], String.t()) :: t
    def new(engine, captured, label) do
      places = for {tensor, place} <- Enum.with_index(captured), do: {key(tensor), place}
      %__MODULE__{engine: engine, captured: Map.new(places), label: label}
    end

    defp key(tensor), do: tensor |> Key.of() |> elem(0)

    @doc "The place of a tensor among the captured ones, or nil."
    @spec place(t, T.t()) :: non_neg_integer | nil
    def place(state, tensor), do: state.captured[key(tensor)]

    @doc "The program's parameter for what is passed."
    @spec input(t, input, Davit.Type.t()) :: {Expression.t(), t}
    def input(state, what, type) do
      case state.inputs do
        %{^what => {_, expression}} ->
          {expression, state}

        inputs ->
          expression = Expression.parameter(type)
          {expression, %{state | inputs: Map.put(inputs, what, {map_size(inputs), expression})}}
      end
    end

    @doc "What is passed, and the parameters for it, in order."
    @spec inputs(t) :: {[input], [Expression.t()]}
    def inputs(state) do
      state.inputs
      |> Enum.sort_by(fn {_, {number, _}} -> number end)
      |> Enum.map(fn {what, {_, expression}} -> {what, expression} end)
      |> Enum.unzip()
    end

    @doc "Lowers a function of its own, which has these parameters and sees nothing else."
    @spec inside(t, [value], (t -> {result, t})) :: {result, t} when result: term
    def inside(state, parameters, fun) do
      {result, inner} = fun.(%{state | parameters: parameters, memo: %{}})
      {result, %{inner | parameters: state.parameters, memo: state.memo}}
    end

    @doc "The name of the next layer of a kind: `dense_0`, `dense_1`."
    @spec layer(t, atom | String.t()) :: {String.t(), t}
    def layer(state, kind) do
      number = Map.get(state.layers, kind, 0)
      {"#{kind}_#{number}", %{state | layers: Map.put(state.layers, kind, number + 1)}}
    end

    @doc "Lowers what belongs to a part of the program that has a name."
    @spec labelled(t, String.t() | nil, (t -> {result, t})) :: {result, t} when result: term
    def labelled(state, nil, fun), do: fun.(state)

    def labelled(state, label, fun) do
      {result, inner} = fun.(%{state | label: label})
      {result, %{inner | label: state.label}}
    end
  end
end
