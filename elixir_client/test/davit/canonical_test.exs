defmodule Davit.Graph.CanonicalTest do
  use ExUnit.Case, async: true

  alias Davit.Graph.{Canonical, OpTable}
  alias Davit.Type

  {vectors, _} = Code.eval_file(Path.expand("../vectors/canonical.exs", __DIR__))
  @vectors vectors["vectors"]
  @ops vectors["ops"]

  # The table, and the ops that the vectors have for themselves.
  defp fetch(op) do
    case @ops[op] do
      nil ->
        OpTable.fetch(op)

      kinds ->
        {:ok,
         %{
           attributes: Map.new(kinds, fn {key, kind} -> {key, %{kind: String.to_atom(kind)}} end)
         }}
    end
  end

  for vector <- @vectors do
    test "the shared vector: #{vector["name"]}" do
      vector = unquote(Macro.escape(vector))
      functions = Enum.map(vector["graph"]["functions"], &function/1)
      bytes = Canonical.encode(functions, &fetch/1)
      assert Base.encode16(bytes, case: :lower) == vector["hex"]
      assert Canonical.encode(Canonical.decode(bytes, &fetch/1), &fetch/1) == bytes
    end
  end

  defp function(function) do
    %{
      name: function["name"],
      parameters: Enum.map(function["parameters"], &type/1),
      nodes: Enum.map(function["nodes"], &graph_node/1),
      results: function["results"]
    }
    |> named(function["parameterNames"])
  end

  defp named(function, nil), do: function
  defp named(function, names), do: Map.put(function, :parameter_names, names)

  defp graph_node(node) do
    %{
      op: node["op"],
      inputs: node["inputs"],
      attributes:
        Map.new(node["attributes"], fn {key, a} -> {key, value(a["kind"], a["value"])} end),
      outputs: node["outputs"],
      label: node["label"]
    }
  end

  defp type(wire) do
    {:ok, type} = Type.from_wire(wire)
    type
  end

  defp value("function", index), do: index
  defp value("functions", indices), do: indices
  defp value("int", text), do: String.to_integer(text)

  defp value("ints", list), do: Enum.map(list, &String.to_integer/1)

  defp value("float", hex), do: float(Base.decode16!(hex, case: :lower))
  defp value("floats", list), do: Enum.map(list, &value("float", &1))
  defp value("bytes", hex), do: Base.decode16!(hex, case: :lower)
  defp value("types", types), do: Enum.map(types, &type/1)
  defp value(_, value), do: value

  defp float(<<x::float-64>>), do: x
  defp float(<<0x7FF0000000000000::64>>), do: :infinity
  defp float(<<0xFFF0000000000000::64>>), do: :neg_infinity
  defp float(_), do: :nan

  @frozen Path.expand("../../../test/vectors/v1", __DIR__)

  for line <- @frozen |> Path.join("SHA256SUMS") |> File.stream!(),
      [sum, file] = String.split(line) do
    test "version 1 of the encoding: #{file} is read, and written as it was" do
      bytes = File.read!(Path.join(@frozen, unquote(file)))
      assert Davit.Graph.hash(bytes) == unquote(sum)
      graph = Davit.Graph.from_binary(bytes)
      assert Davit.Graph.to_binary(graph) == bytes
      assert Davit.Graph.from_binary(Davit.Graph.to_binary(graph)) == graph
    end
  end

  test "refuses bytes that are no graph, or not canonical" do
    encode = &Davit.Msgpack.encode(&1)
    empty = %{davit: 1, functions: []}
    main = %{name: "main", nodes: [], parameters: [], results: []}
    named = &encode.(%{empty | functions: [Map.put(main, :parameter_names, &1)]})

    for {bytes, message} <- [
          {"", ~r/ends after 0 bytes/},
          {encode.(%{}), ~r/not a graph/},
          {encode.(%{empty | davit: 2}), ~r/version 2/},
          {encode.(Map.put(empty, :more, 1)), ~r/canonical/},
          {encode.(%{empty | functions: [1]}), ~r/not a function/},
          {named.([]), ~r/not names of parameters: \[\]/},
          {named.(["x", 1]), ~r/not names of parameters: \["x", 1\]/},
          # A count in two bytes that fits one.
          {<<0x82, 0xA5, "davit", 0xCC, 1, 0xA9, "functions", 0x90>>, ~r/canonical/}
        ] do
      assert_raise ArgumentError, message, fn -> Davit.Graph.from_binary(bytes) end
    end
  end
end
