defmodule Davit.Graph.Expression do
  @moduledoc """
  A value of a graph as an immutable term, for libraries that translate into graphs.

  `Davit.Graph` builds a graph in the process that calls it, node by node. An expression needs no such place: it holds the
  node that makes it, which holds the expressions that it takes, and all types are known. `Davit.Graph.Assembly` makes a
  graph of the results.

      iex> alias Davit.Graph.{Assembly, Expression}
      iex> x = Expression.parameter({:float32, {3}})
      iex> doubled = Expression.node("add", [x, x], %{}, {:float32, {3}})
      iex> graph = Assembly.graph([x], [doubled])
      iex> for node <- hd(graph.functions).nodes, do: {node.op, node.inputs}
      [{"add", [0, 0]}]

  Nodes are numbered as they are made, and stand in a graph in that order. An expression is used once or often, in one graph
  or in many. It stays in its process: a copy of it repeats what its parts share.

  `labelled/2` labels the nodes that a function makes.
  """

  alias Davit.Graph.{Constant, Function, OpTable}
  alias Davit.Type

  @derive {Inspect, only: [:type]}
  @enforce_keys [:node, :type]
  defstruct [:node, :type, output: 0]

  @typedoc "`output` says which of the node's values it is."
  @type t :: %__MODULE__{node: graph_node, type: Type.t(), output: non_neg_integer}

  @typedoc "A node, or a parameter, whose `op` is `:parameter`."
  @type graph_node :: %{
          id: integer,
          op: String.t() | :parameter,
          inputs: [t | nil],
          attributes: map,
          outputs: pos_integer,
          label: String.t() | nil,
          data: {hash :: String.t(), Type.t(), values :: binary} | nil,
          after: [t],
          functions: [{key :: String.t() | {String.t(), non_neg_integer}, Function.t()}]
        }

  @label {__MODULE__, :label}

  @doc "A parameter of a function."
  @spec parameter(Type.t()) :: t
  def parameter(type), do: %__MODULE__{node: make(:parameter, [], %{}, 1, []), type: type}

  @doc """
  The value of a node with one output, or a list of the values where `types` is a list.

  Attributes are by name, as the op's row in docs/ops.md says. Options: `:label`; `:after`, expressions that are computed where
  this node is, although it does not take their values, as hooks; `:functions`, those that the node calls,
  each with the attribute that names it: `{"then", function}`, or `{{"branches", 0}, function}` for one of a list. Such functions
  may use expressions from around them.
  """
  @spec node(String.t(), [t | nil], map, Type.t() | [Type.t()], keyword) :: t | [t]
  def node(op, inputs, attributes, types, options \\ [])

  def node(op, inputs, attributes, types, options) when is_list(types) do
    node = make(op, inputs, attributes, length(types), options)

    for {type, output} <- Enum.with_index(types),
        do: %__MODULE__{node: node, type: type, output: output}
  end

  def node(op, inputs, attributes, type, options) do
    {:ok, _} = OpTable.fetch(op)
    %__MODULE__{node: make(op, inputs, attributes, 1, options), type: type}
  end

  defp make(op, inputs, attributes, outputs, options) do
    %{
      id: :erlang.unique_integer([:monotonic]),
      op: op,
      inputs: inputs,
      attributes: attributes,
      outputs: outputs,
      label: options[:label] || label(op),
      data: options[:data],
      after: options[:after] || [],
      functions: options[:functions] || []
    }
  end

  # Constants cannot fail, and nobody needs to watch them.
  defp label(op) when op in ["constant", "constant_by_hash", :parameter], do: nil
  defp label(_op), do: Process.get(@label)

  @doc "Runs `fun`; every node but constants that it makes, and that has no label of its own, gets this one."
  @spec labelled(String.t() | nil, (() -> result)) :: result when result: term
  def labelled(label, fun) do
    outer = Process.put(@label, label)

    try do
      fun.()
    after
      if outer, do: Process.put(@label, outer), else: Process.delete(@label)
    end
  end

  @doc "A constant of raw bytes: row by row, little-endian."
  @spec constant(binary, Type.t()) :: t
  def constant(bytes, type) do
    {op, attributes, kept} = Constant.node(bytes, type)
    node(op, [], attributes, type, data: kept)
  end

  @doc "Tells whether it is a constant, which every function may have for itself."
  @spec constant?(t) :: boolean
  def constant?(%__MODULE__{node: %{op: op}}), do: op in ["constant", "constant_by_hash"]
end
