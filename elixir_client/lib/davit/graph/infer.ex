defmodule Davit.Graph.Infer do
  @moduledoc false
  # The types that a builder needs now: for constants beside an operand, and for the parameters of
  # sub-functions. It covers what people write most; where it says nil, the engine alone knows.

  alias Davit.Type

  @compare ~w(equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor)
  @arithmetic ~w(add subtract multiply maximum minimum power remainder floor_divide bitwise_and bitwise_or
                 bitwise_xor left_shift right_shift)
  @floating_binary ~w(divide arctan2 logaddexp)
  @floating ~w(exp expm1 log log2 log10 log1p sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh
               arctanh sqrt rsqrt erf erfinv sigmoid softmax degrees radians)
  @same ~w(negative square sign floor ceil round positive stop_gradient contiguous clip zeros_like ones_like
           tril triu flip roll sort cummax cummin)
  @tests ~w(isnan isinf isfinite isposinf isneginf logical_not)
  @reductions ~w(sum prod max min mean var std all any)
  @floats [:float16, :bfloat16, :float32, :float64]
  @signed [:int8, :int16, :int32, :int64]
  @wider %{uint8: :int16, uint16: :int32, uint32: :int64, uint64: :float32}

  @doc "The type of an op's only output, or nil."
  @spec type(String.t(), [Type.t() | nil], map) :: Type.t() | nil
  def type("astype", [{_, shape}], %{"dtype" => name}), do: {dtype(name), shape}

  def type("reshape", [{dtype, shape}], %{"shape" => sizes}) do
    known = sizes |> Enum.reject(&(&1 == -1)) |> Enum.product()

    cond do
      -1 not in sizes -> {dtype, List.to_tuple(sizes)}
      known == 0 -> nil
      true -> {dtype, sizes |> Enum.map(&fill(&1, Type.elements(shape), known)) |> List.to_tuple()}
    end
  end

  def type("broadcast_to", [{dtype, _}], %{"shape" => sizes}), do: {dtype, List.to_tuple(sizes)}

  def type("transpose", [{dtype, shape}], attributes) do
    rank = tuple_size(shape)
    axes = attributes["axes"] || Enum.to_list(Range.new(rank - 1, 0, -1))

    if length(axes) == rank,
      do: {dtype, for(axis <- axes, into: [], do: size(shape, axis)) |> List.to_tuple()}
  end

  def type("matmul", [{a, left}, {b, right}], _)
      when tuple_size(left) == 2 and tuple_size(right) == 2,
      do: {promote(a, b), {elem(left, 0), elem(right, 1)}}

  def type(op, [], %{"shape" => sizes} = attributes) when op in ["zeros", "ones"],
    do: {dtype(attributes["dtype"] || "float32"), List.to_tuple(sizes)}

  def type(op, [{dtype, shape}], attributes) when op in @reductions do
    case reduced(op, dtype) do
      nil -> nil
      dtype -> {dtype, reduce(shape, attributes["axes"], attributes["keepdims"] == true)}
    end
  end

  def type(op, [{dtype, shape} | _], _) when op in @same, do: {dtype, shape}
  def type(op, [{dtype, shape}], _) when op in @floating, do: {float(dtype), shape}
  def type(op, [{_, shape}], _) when op in @tests, do: {:bool, shape}
  def type(op, [a, b], _) when op in @compare, do: binary(a, b, fn _, _ -> :bool end)
  def type(op, [a, b], _) when op in @arithmetic, do: binary(a, b, &promote/2)
  def type(op, [a, b], _) when op in @floating_binary, do: binary(a, b, &float(promote(&1, &2)))

  def type("where", [{_, c}, a, b], _) do
    with {dtype, shape} <- binary(a, b, &promote/2),
         shape when shape != nil <- broadcast(c, shape) do
      {dtype, shape}
    end
  end

  def type(_, _, _), do: nil

  defp binary({a, left}, {b, right}, dtype) do
    shape = broadcast(left, right)
    shape && {dtype.(a, b), shape}
  end

  defp binary(_, _, _), do: nil

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

  defp float(dtype) when dtype in @floats or dtype == :complex64, do: dtype
  defp float(_), do: :float32

  defp reduced(op, _) when op in ["all", "any"], do: :bool
  defp reduced(op, dtype) when op in ["mean", "var", "std"], do: float(dtype)
  defp reduced(op, dtype) when op in ["max", "min"], do: dtype
  defp reduced(_, dtype) when dtype in @floats or dtype == :complex64, do: dtype
  # Sums and products of integers widen by rules of their own.
  defp reduced(_, _), do: nil

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

  defp dtype(name) do
    {:ok, {dtype, _}} = Type.from_wire([name, []])
    dtype
  end
end
