defmodule Davit.Graph.Infer do
  @moduledoc false
  # The types that a builder needs now: for constants beside an operand, and for the parameters of
  # sub-functions. They follow from the type rules of the op table; where it returns nil, the engine
  # alone knows.

  alias Davit.Graph.OpTable
  alias Davit.Type

  @floats for %{kind: :float, name: dtype} <- Davit.Contract.dtypes(), do: dtype
  @signed for %{kind: :signed, name: dtype} <- Davit.Contract.dtypes(), do: dtype
  @wider %{uint8: :int16, uint16: :int32, uint32: :int64, uint64: :float32}
  @summed %{bool: :int32, int8: :int32, int16: :int32, uint8: :uint32, uint16: :uint32}

  @doc "The type of an op's only output, or nil. `attributes` have the row's defaults."
  @spec type(OpTable.row(), [Type.t() | nil | :absent], map) :: Type.t() | nil
  def type(%{type: nil}, _operands, _attributes), do: nil

  def type(%{type: rule}, operands, attributes) do
    operands = Enum.reject(operands, &(&1 == :absent))

    with false <- nil in operands,
         shape when shape != nil <- shape(rule.shape, shapes(operands), attributes),
         dtype when dtype != nil <- dtype(rule.dtype, dtypes(operands), attributes) do
      {dtype, shape}
    else
      _ -> nil
    end
  end

  defp dtypes(operands), do: Enum.map(operands, &elem(&1, 0))
  defp shapes(operands), do: Enum.map(operands, &elem(&1, 1))

  defp dtype(:same, [first | _], _), do: first
  defp dtype(:float, [first | _], _), do: float(first)
  defp dtype(:real, [first | _], _), do: real(first)
  defp dtype(:real_float, [first | _], _), do: first |> float() |> real()

  defp dtype(:known_float, [first | _], _),
    do: if(first in [:complex64 | @floats], do: first)

  defp dtype(:summed, [first | _], _), do: Map.get(@summed, first, first)
  defp dtype(:promoted, dtypes, _), do: Enum.reduce(dtypes, &promote(&2, &1))
  defp dtype(:promoted_float, dtypes, _), do: float(dtype(:promoted, dtypes, %{}))

  defp dtype(:promoted_number, dtypes, _) do
    case dtype(:promoted, dtypes, %{}) do
      :bool -> :uint8
      dtype -> dtype
    end
  end

  defp dtype(:promoted_rest, [_ | rest], _), do: dtype(:promoted, rest, %{})
  defp dtype(:attribute, _, %{"dtype" => name}), do: named(name)
  defp dtype(:attribute, [first | _], _), do: first
  defp dtype(dtype, _, _), do: dtype

  defp shape(:scalar, _, _), do: {}
  defp shape(:same, [first | _], _), do: first
  defp shape(:broadcast, shapes, _), do: Enum.reduce(shapes, &(&2 && broadcast(&2, &1)))

  defp shape(:reduced, [first | _], attributes) do
    axes = attributes["axes"] || attributes["axis"]
    reduce(first, axes && List.wrap(axes), attributes["keepdims"])
  end

  defp shape(:scanned, [first | _], %{"axis" => _}), do: first
  defp shape(:scanned, [first | _], _), do: {Type.elements(first)}

  defp shape(:attribute, shapes, %{"shape" => sizes}) do
    known = sizes |> Enum.reject(&(&1 == -1)) |> Enum.product()

    cond do
      -1 not in sizes -> List.to_tuple(sizes)
      known == 0 -> nil
      true -> sizes |> Enum.map(&fill(&1, Type.elements(hd(shapes)), known)) |> List.to_tuple()
    end
  end

  defp shape(:transposed, [first | _], attributes) do
    rank = tuple_size(first)
    axes = attributes["axes"] || Enum.to_list(Range.new(rank - 1, 0, -1))
    if length(axes) == rank, do: axes |> Enum.map(&size(first, &1)) |> List.to_tuple()
  end

  defp shape(:matrix_product, [a, b], _) do
    {rows, a} = matrix(a, :row)
    {columns, b} = matrix(b, :column)
    batch = broadcast(List.to_tuple(a), List.to_tuple(b))
    batch && List.to_tuple(Tuple.to_list(batch) ++ rows ++ columns)
  end

  # The size that is left of a matrix beside the one summed over, and the batch; a vector has neither.
  defp matrix(shape, side) do
    case {Enum.reverse(Tuple.to_list(shape)), side} do
      {[_, rows | batch], :row} -> {[rows], Enum.reverse(batch)}
      {[columns, _ | batch], :column} -> {[columns], Enum.reverse(batch)}
      {_, _} -> {[], []}
    end
  end

  @doc "The dtype that two operands meet in, as MLX promotes."
  @spec promote(Type.dtype(), Type.dtype()) :: Type.dtype()
  def promote(a, a), do: a
  def promote(:bool, b), do: b
  def promote(a, :bool), do: a
  def promote(a, b) when a == :complex64 or b == :complex64, do: :complex64

  def promote(a, b) when a in @floats and b in @floats do
    if Type.item_bytes(a) == Type.item_bytes(b), do: :float32, else: larger(a, b)
  end

  def promote(a, _) when a in @floats, do: a
  def promote(_, b) when b in @floats, do: b
  def promote(a, b) when a in @signed and b in @signed, do: larger(a, b)
  def promote(a, b) when a in @signed, do: promote(b, a)
  def promote(a, b) when b not in @signed, do: larger(a, b)
  # Unsigned and signed: the signed one where it is wider, or else the next that holds both.
  def promote(a, b), do: if(Type.item_bytes(b) > Type.item_bytes(a), do: b, else: @wider[a])

  defp larger(a, b), do: if(Type.item_bytes(a) >= Type.item_bytes(b), do: a, else: b)

  defp real(:complex64), do: :float32
  defp real(dtype), do: dtype

  defp float(dtype) when dtype in @floats or dtype == :complex64, do: dtype
  defp float(_), do: :float32

  defp reduce(shape, axes, keep) do
    rank = tuple_size(shape)

    axes =
      for axis <- axes || Range.new(0, rank - 1, 1), do: if(axis < 0, do: axis + rank, else: axis)

    shape
    |> Tuple.to_list()
    |> Enum.with_index()
    |> Enum.flat_map(fn {size, axis} ->
      cond do
        axis not in axes -> [size]
        keep -> [1]
        true -> []
      end
    end)
    |> List.to_tuple()
  end

  defp broadcast(a, b) do
    {a, b} = {a |> Tuple.to_list() |> Enum.reverse(), b |> Tuple.to_list() |> Enum.reverse()}
    sizes = meet(a, b, [])
    sizes && List.to_tuple(sizes)
  end

  defp meet([], rest, acc), do: Enum.reverse(rest) ++ acc
  defp meet(rest, [], acc), do: Enum.reverse(rest) ++ acc
  defp meet([n | a], [n | b], acc), do: meet(a, b, [n | acc])
  defp meet([1 | a], [n | b], acc), do: meet(a, b, [n | acc])
  defp meet([n | a], [1 | b], acc), do: meet(a, b, [n | acc])
  defp meet(_, _, _), do: nil

  defp fill(-1, elements, known), do: div(elements, known)
  defp fill(size, _, _), do: size

  defp size(shape, axis) when axis < 0, do: elem(shape, axis + tuple_size(shape))
  defp size(shape, axis), do: elem(shape, axis)

  defp named(name) do
    {:ok, {dtype, _}} = Type.from_wire([name, []])
    dtype
  end
end
