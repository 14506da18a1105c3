defmodule Davit.Graph.Constant do
  @moduledoc false
  # Constants. The bytes of a graph contain those that are small, and the hashes of the others, whose values are kept beside the
  # graph.

  alias Davit.{Tensor, Type}
  alias Davit.Graph.{Scope, Value}
  alias Davit.Tensor.Elements

  @key __MODULE__
  @inline_bytes 1024

  @typedoc "A constant that is kept beside the graph: its hash in hex, its type and its values."
  @type kept :: {hash :: String.t(), Type.t(), binary}

  @doc "How many bytes a constant has at most that is part of the graph's bytes."
  @spec inline_bytes() :: pos_integer
  def inline_bytes, do: @inline_bytes

  @doc "The op and the attributes of a constant of raw bytes; and what is kept beside the graph, or nil."
  @spec node(binary, Type.t()) :: {String.t(), map, kept | nil}
  def node(bytes, {dtype, shape} = type) do
    attributes = %{"dtype" => Atom.to_string(dtype), "shape" => Tuple.to_list(shape)}

    if byte_size(bytes) <= @inline_bytes do
      {"constant", Map.put(attributes, "data", bytes), nil}
    else
      hash = :crypto.hash(:sha256, bytes)
      kept = {Base.encode16(hash, case: :lower), type, bytes}
      {"constant_by_hash", Map.put(attributes, "hash", hash), kept}
    end
  end

  @doc "Runs `fun`, which builds a graph. Returns its result and the constants that are kept beside the graph, by hash."
  @spec collect((() -> result)) :: {result, %{String.t() => {Type.t(), binary}}}
        when result: term
  def collect(fun) do
    outer = Process.put(@key, %{})

    try do
      result = fun.()
      {result, Process.get(@key)}
    after
      if outer, do: Process.put(@key, outer), else: Process.delete(@key)
    end
  end

  @doc "Adds a constant with the type and values of a tensor to the function that is being built."
  @spec add(Tensor.t()) :: Value.t()
  def add(%Tensor{data: nil} = tensor) do
    raise ArgumentError,
          "#{inspect(tensor)} cannot be a constant: its values are in an engine; make it a parameter"
  end

  def add(%Tensor{type: type, data: bytes}) do
    {op, attributes, kept} = node(bytes, type)
    [value] = Scope.add(%{op: op, attributes: attributes}, [], [type])
    keep(kept)
    value
  end

  defp keep(nil), do: :ok

  defp keep({hash, type, bytes}),
    do: Process.put(@key, Map.put(Process.get(@key), hash, {type, bytes}))

  @doc "Adds a constant of a number or nested list."
  @spec add(Tensor.nested(), Type.dtype_form()) :: Value.t()
  def add(list, dtype) do
    type = Type.new!(dtype, Elements.shape(list))
    add(%Tensor{type: type, data: Elements.encode(list, type)})
  end
end
