defmodule Davit.Graph.Scope do
  @moduledoc false
  # A function of a graph under construction. The innermost one is in the process dictionary while
  # it is built, so that hooks take their place in program order whether or not their results are used.
  #
  # Functions of a graph see only their parameters. A value of an outer function that is used in an inner one
  # becomes a parameter of the inner one (a capture), and an operand of the node that calls it.

  alias Davit.Graph.Value

  @key __MODULE__

  @enforce_keys [:ref, :name, :types, :outer]
  defstruct [:ref, :name, :types, :outer, nodes: [], count: 0, captures: []]

  @type t :: %__MODULE__{}
  @type input ::
          {:parameter, non_neg_integer} | {:capture, Value.t()} | {:node, integer, integer} | nil

  @doc "Runs `fun` with the parameters as values; returns its result and the finished scope."
  @spec build(String.t(), [Davit.Type.t()], ([Value.t()] -> result)) :: {result, t}
        when result: term
  def build(name, types, fun) do
    outer = Process.get(@key)
    ref = make_ref()
    Process.put(@key, %__MODULE__{ref: ref, name: name, types: types, outer: outer})

    try do
      parameters =
        for {type, index} <- Enum.with_index(types),
            do: %Value{scope: ref, key: {:parameter, index}, type: type}

      result = fun.(parameters)
      {result, Process.get(@key)}
    after
      # What the inner function captured, it captured through the outer ones.
      restore(outer, Process.get(@key))
    end
  end

  defp restore(nil, _), do: Process.delete(@key)
  defp restore(_outer, inner), do: Process.put(@key, inner.outer)

  @doc "The function that is being built. Raises outside of `Davit.Graph.build/2`."
  @spec current!() :: t
  def current! do
    Process.get(@key) || raise ArgumentError, "this is only possible inside Davit.Graph.build/2"
  end

  @doc "Adds a node; returns its outputs as values of the types, nil where one is not known."
  @spec add(map, [Value.t() | nil], [Davit.Type.t() | nil]) :: [Value.t()]
  def add(node, inputs, types) do
    {inputs, scope} = Enum.map_reduce(inputs, current!(), &resolve/2)
    node = Map.merge(node, %{inputs: inputs, outputs: length(types)})
    Process.put(@key, %{scope | nodes: [node | scope.nodes], count: scope.count + 1})

    for {type, output} <- Enum.with_index(types) do
      %Value{scope: scope.ref, key: {:node, scope.count, output}, type: type}
    end
  end

  @doc "A node with a label, or as it is without one. Raises where the label is not UTF-8."
  @spec with_label(map, String.t() | nil) :: map
  def with_label(node, nil), do: node

  def with_label(node, label) when is_binary(label) do
    String.valid?(label) || raise ArgumentError, "a label is UTF-8, got #{inspect(label)}"
    Map.put(node, :label, label)
  end

  @doc "Labels the node that made a value of the function that is being built."
  @spec label(Value.t(), String.t()) :: :ok
  def label(%Value{scope: ref, key: {:node, index, _}}, label) do
    case current!() do
      %{ref: ^ref} = scope ->
        nodes = List.update_at(scope.nodes, scope.count - 1 - index, &Map.put(&1, :label, label))
        Process.put(@key, %{scope | nodes: nodes})
        :ok

      _ ->
        raise ArgumentError, "a value is labelled in the function that it is made in"
    end
  end

  def label(%Value{}, _), do: raise(ArgumentError, "a parameter has no label; only nodes have one")

  @doc "What a function returns, as its inputs are written."
  @spec resolve_results([Value.t()], t) :: {[input], t}
  def resolve_results(values, scope), do: Enum.map_reduce(values, scope, &resolve/2)

  defp resolve(nil, scope), do: {nil, scope}
  defp resolve(%Value{scope: ref, key: key}, %{ref: ref} = scope), do: {key, scope}

  defp resolve(%Value{} = value, scope) do
    outside!(value, scope.outer)
    value.type || raise ArgumentError, unknown_type()

    if Enum.any?(scope.captures, &same?(&1, value)) do
      {{:capture, value}, scope}
    else
      {{:capture, value}, %{scope | captures: scope.captures ++ [value]}}
    end
  end

  defp outside!(_value, nil) do
    raise ArgumentError, "a value is used outside of the function or the graph that it belongs to"
  end

  defp outside!(%Value{scope: ref}, %{ref: ref}), do: :ok
  defp outside!(value, scope), do: outside!(value, scope.outer)

  defp unknown_type do
    "a value is used inside a sub-function, whose parameters need types, and its type is not known here; " <>
      "state it with Davit.Graph.typed/2"
  end

  @doc "Tells whether two values are the same one."
  @spec same?(Value.t(), Value.t()) :: boolean
  def same?(a, b), do: a.scope == b.scope and a.key == b.key

  @doc """
  The function as a graph holds it: with numbered values. `captures` become its last parameters; they may be
  more than it uses, where two functions have to have the same parameters.
  """
  @spec finish(t, [input], [Value.t()]) :: map
  def finish(scope, results, captures) do
    parameters = scope.types ++ Enum.map(captures, & &1.type)
    nodes = Enum.reverse(scope.nodes)
    {starts, _} = Enum.map_reduce(nodes, length(parameters), &{&2, &2 + &1.outputs})
    starts = List.to_tuple(starts)

    number = fn
      nil -> -1
      {:parameter, index} -> index
      {:node, index, output} -> elem(starts, index) + output
      {:capture, value} -> length(scope.types) + Enum.find_index(captures, &same?(&1, value))
    end

    %{
      name: scope.name,
      parameters: parameters,
      nodes: for(node <- nodes, do: %{node | inputs: Enum.map(node.inputs, number)}),
      results: Enum.map(results, number)
    }
  end
end
