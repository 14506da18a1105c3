defmodule Davit.Graph.Check do
  @moduledoc false
  # What can be told of a node before the engine sees it: the op, how many operands, which attributes.

  alias Davit.Graph.OpTable
  alias Davit.Type

  @doc "The op's row. Raises `ArgumentError` with the nearest name."
  @spec row!(String.t()) :: OpTable.row()
  def row!(op) do
    case OpTable.fetch(op) do
      {:ok, row} -> row
      :error -> raise ArgumentError, "there is no op #{inspect(op)}#{hint(op, OpTable.ops())}"
    end
  end

  defp hint(name, table) do
    {nearest, distance} =
      table
      |> Map.keys()
      |> Enum.map(&{&1, String.jaro_distance(&1, name)})
      |> Enum.max_by(&elem(&1, 1))

    if distance > 0.8, do: ", did you mean #{inspect(nearest)}?", else: ""
  end

  @doc "Raises `ArgumentError` where an op does not take so many operands."
  @spec operands!(String.t(), OpTable.row(), list) :: :ok
  def operands!(op, row, operands) do
    count = length(operands)

    if count < row.min or (row.max != nil and count > row.max) do
      raise ArgumentError,
            "op #{op} takes #{counts(row)} (#{Enum.join(row.operands, ", ")}), got #{count}"
    end

    :ok
  end

  defp counts(%{min: n, max: n}), do: "#{n} operands"
  defp counts(%{min: n, max: nil}), do: "at least #{n} operands"
  defp counts(%{min: n, max: m}), do: "#{n} to #{m} operands"

  @doc "The attributes by name and with values as the encoding takes them. Raises `ArgumentError`."
  @spec attributes!(String.t(), OpTable.row(), keyword) :: %{String.t() => term}
  def attributes!(op, row, given) do
    attributes =
      for {key, value} <- given, value != nil, into: %{} do
        key = Atom.to_string(key)
        spec = row.attributes[key] || raise ArgumentError, unknown(op, row, key)
        {key, attribute!(op, key, spec, value)}
      end

    for {key, %{optional: false}} <- row.attributes, not is_map_key(attributes, key) do
      raise ArgumentError, "op #{op} needs the attribute #{key}"
    end

    attributes
  end

  @doc "The attributes with the row's defaults for those that are absent."
  @spec with_defaults(OpTable.row(), %{String.t() => term}) :: %{String.t() => term}
  def with_defaults(row, attributes) do
    defaults =
      for {key, %{default: value, unless: others}} <- row.attributes,
          value != nil and not Enum.any?(others, &is_map_key(attributes, &1)),
          into: %{},
          do: {key, value}

    Map.merge(defaults, attributes)
  end

  defp unknown(op, row, key) do
    known = row.attributes |> Map.keys() |> Enum.join(", ")
    "op #{op} has no attribute #{key}; it has #{if known == "", do: "none", else: known}"
  end

  defp attribute!(op, key, spec, value) do
    value = normal(spec.kind, value)

    if not is?(spec.kind, value) or (spec.values != nil and value not in spec.values) do
      expected =
        if spec.values, do: "one of #{Enum.join(spec.values, ", ")}", else: words(spec.kind)

      raise ArgumentError, "op #{op}: #{key} is #{Davit.Show.show(value)}; expected #{expected}"
    end

    value
  end

  # Forms that people write, as the encoding has them.
  defp normal(:ints, value) when is_tuple(value), do: Tuple.to_list(value)
  defp normal(:string, value) when is_atom(value), do: Atom.to_string(value)

  defp normal(:dtype, value) do
    case Type.dtype(value) do
      {:ok, dtype} -> Atom.to_string(dtype)
      :error -> value
    end
  end

  defp normal(:types, types) when is_list(types) do
    for type <- types do
      with {form, shape} <- type,
           {:ok, dtype} <- Type.dtype(form),
           do: {dtype, shape},
           else: (_ -> type)
    end
  end

  defp normal(_kind, value), do: value

  defp is?(:bool, value), do: is_boolean(value)
  defp is?(kind, value) when kind in [:int, :function], do: int64?(value)

  defp is?(kind, value) when kind in [:ints, :functions],
    do: is_list(value) and Enum.all?(value, &int64?/1)

  defp is?(:float, value), do: is_number(value) or value in [:nan, :infinity, :neg_infinity]
  defp is?(:floats, value), do: is_list(value) and Enum.all?(value, &is?(:float, &1))
  defp is?(:string, value), do: is_binary(value) and String.valid?(value)
  defp is?(:strings, value), do: is_list(value) and Enum.all?(value, &is?(:string, &1))
  defp is?(:bytes, value), do: is_binary(value)
  defp is?(:types, value), do: is_list(value) and Enum.all?(value, &Type.valid?/1)
  defp is?(:dtype, value), do: is_binary(value) and match?({:ok, _}, Type.from_wire([value, []]))

  defp int64?(value),
    do: is_integer(value) and value >= -0x8000000000000000 and value <= 0xFFFFFFFFFFFFFFFF

  defp words(:bool), do: "true or false"
  defp words(:int), do: "an integer of 64 bits"
  defp words(:ints), do: "a list of integers"
  defp words(:float), do: "a number, :nan, :infinity or :neg_infinity"
  defp words(:floats), do: "a list of numbers"
  defp words(:string), do: "a string"
  defp words(:strings), do: "a list of strings"
  defp words(:bytes), do: "a binary"
  defp words(:types), do: "a list of {dtype, shape}"
  defp words(:dtype), do: "a dtype such as :f32"
  defp words(kind), do: "#{kind}"
end
