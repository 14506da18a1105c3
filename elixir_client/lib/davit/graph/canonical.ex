defmodule Davit.Graph.Canonical do
  @moduledoc false
  # The one encoding of a graph, the same as the engine's (src/graph/encoding/canonical.ts): msgpack of minimal widths,
  # keys in the order of their bytes, floats as their 8 bytes. Attributes are typed by the op table.

  alias Davit.{Msgpack, Type}

  @type functions :: [map]

  @doc "The canonical bytes. `fetch` returns an op's row of the table."
  @spec encode(functions, (String.t() -> {:ok, map} | :error)) :: binary
  def encode(functions, fetch) do
    Msgpack.encode(%{davit: 1, functions: Enum.map(functions, &function(&1, fetch))})
  end

  defp function(function, fetch) do
    %{
      name: function.name,
      parameters: Enum.map(function.parameters, &Type.to_wire/1),
      nodes: Enum.map(function.nodes, &node(&1, fetch)),
      results: function.results
    }
    |> put(:parameter_names, function[:parameter_names], nil)
  end

  defp node(node, fetch) do
    row = row(node.op, fetch)
    write = fn {key, value} -> {key, write(kind(row, key), value)} end
    attributes = if node.attributes == %{}, do: %{}, else: Map.new(node.attributes, write)

    %{op: node.op, inputs: node.inputs}
    |> put(:attributes, attributes, %{})
    |> put(:outputs, node.outputs, 1)
    |> put(:label, node[:label], nil)
  end

  defp put(map, _key, default, default), do: map
  defp put(map, key, value, _default), do: Map.put(map, key, value)

  defp write(:float, x), do: {:bin, float(x)}
  defp write(:floats, list), do: Enum.map(list, &{:bin, float(&1)})
  defp write(:bytes, bytes), do: {:bin, bytes}
  defp write(:types, types), do: Enum.map(types, &Type.to_wire/1)
  defp write(_, value), do: value

  defp float(:nan), do: <<0x7FF8000000000000::64>>
  defp float(:infinity), do: <<0x7FF0000000000000::64>>
  defp float(:neg_infinity), do: <<0xFFF0000000000000::64>>
  defp float(x), do: <<x::float-64>>

  @doc "The functions of canonical bytes. Raises `ArgumentError`, also for bytes that are not canonical."
  @spec decode(binary, (String.t() -> {:ok, map} | :error)) :: functions
  def decode(bytes, fetch) do
    functions =
      case Msgpack.decode!(bytes) do
        %{"davit" => 1, "functions" => functions} when is_list(functions) ->
          Enum.map(functions, &read_function(&1, fetch))

        %{"davit" => version} ->
          raise ArgumentError, "a graph of version #{inspect(version)}; expected 1"

        _ ->
          raise ArgumentError, "these bytes are not a graph"
      end

    if encode(functions, fetch) != bytes do
      raise ArgumentError, "a graph that is not in its canonical form"
    end

    functions
  end

  defp read_function(%{"name" => name, "nodes" => nodes} = function, fetch) do
    %{
      name: name,
      parameters: Enum.map(function["parameters"], &read_type/1),
      nodes: Enum.map(nodes, &read_node(&1, fetch)),
      results: function["results"]
    }
    |> put(:parameter_names, read_names(function["parameter_names"]), nil)
  end

  defp read_function(other, _),
    do: raise(ArgumentError, "not a function: #{Davit.Show.show(other)}")

  defp read_names(nil), do: nil

  defp read_names(names) do
    if is_list(names) and names != [] and Enum.all?(names, &is_binary/1),
      do: names,
      else: raise(ArgumentError, "not names of parameters: #{Davit.Show.show(names)}")
  end

  defp read_node(%{"op" => op, "inputs" => inputs} = node, fetch) do
    row = row(op, fetch)

    attributes =
      for {key, value} <- node["attributes"] || %{}, into: %{} do
        kind = kind(row, key) || raise ArgumentError, "op #{op} has no attribute #{inspect(key)}"
        {key, read(kind, value)}
      end

    read = %{op: op, inputs: inputs, attributes: attributes, outputs: node["outputs"] || 1}
    if node["label"], do: Map.put(read, :label, node["label"]), else: read
  end

  defp read_node(other, _), do: raise(ArgumentError, "not a node: #{Davit.Show.show(other)}")

  defp read_type(wire) do
    case Type.from_wire(wire) do
      {:ok, type} -> type
      :error -> raise ArgumentError, "not a type: #{Davit.Show.show(wire)}"
    end
  end

  defp read(:float, {:bin, <<bits::binary-8>>}), do: read_float(bits)

  defp read(:floats, list),
    do: Enum.map(list, fn {:bin, <<bits::binary-8>>} -> read_float(bits) end)

  defp read(:bytes, {:bin, bytes}), do: bytes
  defp read(:types, types), do: Enum.map(types, &read_type/1)
  defp read(:dtype, dtype) when is_binary(dtype), do: dtype
  defp read(_, value), do: value

  defp read_float(<<x::float-64>>), do: x
  defp read_float(<<0::1, _::11, 0::52>>), do: :infinity
  defp read_float(<<1::1, _::11, 0::52>>), do: :neg_infinity
  defp read_float(_), do: :nan

  defp kind(%{attributes: attributes}, key) do
    case attributes do
      %{^key => %{kind: kind}} -> kind
      %{} -> nil
    end
  end

  defp row(op, fetch) do
    case fetch.(op) do
      {:ok, row} -> row
      :error -> raise ArgumentError, "there is no op #{inspect(op)}"
    end
  end
end
