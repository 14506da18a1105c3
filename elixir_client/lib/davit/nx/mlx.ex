defmodule Davit.Nx.Mlx do
  @moduledoc false
  # Ops of MLX on expressions, with the types of their results. The lowering is written with them. docs/ops.md has the meaning of
  # each op. All operands of an op have one dtype; a number takes the dtype of the operand beside it.

  alias Davit.Graph.Expression
  alias Davit.Tensor.Elements
  alias Davit.Type

  @type value :: Expression.t()
  @type operand :: value | Elements.number_like()

  def dtype(%Expression{type: {dtype, _}}), do: dtype
  def shape(%Expression{type: {_, shape}}), do: shape
  def rank(value), do: value |> shape() |> tuple_size()

  @doc "A scalar of a number."
  @spec scalar(Elements.number_like(), Type.dtype()) :: value
  def scalar(number, dtype) do
    type = {dtype, {}}
    Expression.constant(Elements.encode(number, type), type)
  end

  @doc "A vector of numbers."
  @spec vector([Elements.number_like()], Type.dtype()) :: value
  def vector(numbers, dtype) do
    type = {dtype, {length(numbers)}}
    Expression.constant(Elements.encode(numbers, type), type)
  end

  @doc "A tensor of one number, everywhere."
  @spec full(Elements.number_like() | value, Type.t()) :: value
  def full(%Expression{} = value, {dtype, shape}), do: value |> cast(dtype) |> broadcast(shape)
  def full(number, {dtype, shape}), do: number |> scalar(dtype) |> broadcast(shape)

  @doc "An op of one operand whose result has its type, or another dtype."
  @spec unary(String.t(), value, Type.dtype() | nil) :: value
  def unary(op, a, dtype \\ nil), do: Expression.node(op, [a], %{}, {dtype || dtype(a), shape(a)})

  @doc "An op of two operands, broadcast against each other; the result has their dtype, or another."
  @spec binary(String.t(), operand, operand, Type.dtype() | nil) :: value
  def binary(op, a, b, dtype \\ nil) do
    {a, b} = pair(a, b)
    {dtype(a), dtype(b)} |> same!(op)
    Expression.node(op, [a, b], %{}, {dtype || dtype(a), broadcast_shape(shape(a), shape(b))})
  end

  defp pair(%Expression{} = a, %Expression{} = b), do: {a, b}
  defp pair(%Expression{} = a, b), do: {a, scalar(b, dtype(a))}
  defp pair(a, %Expression{} = b), do: {scalar(a, dtype(b)), b}

  defp same!({dtype, dtype}, _op), do: :ok
  defp same!({a, b}, op), do: raise(ArgumentError, "op #{op} of #{a} and #{b}; expected one dtype")

  for {name, op} <- [
        add: "add",
        subtract: "subtract",
        multiply: "multiply",
        divide: "divide",
        maximum: "maximum",
        minimum: "minimum",
        bit_and: "bitwise_and",
        bit_or: "bitwise_or",
        bit_xor: "bitwise_xor",
        shift_left: "left_shift",
        shift_right: "right_shift",
        floor_divide: "floor_divide",
        remainder: "remainder",
        power: "power"
      ] do
    @spec unquote(name)(operand, operand) :: value
    def unquote(name)(a, b), do: binary(unquote(op), a, b)
  end

  for {name, op} <- [
        equal: "equal",
        not_equal: "not_equal",
        less: "less",
        less_equal: "less_equal",
        greater: "greater",
        greater_equal: "greater_equal",
        both: "logical_and",
        either: "logical_or",
        differ: "logical_xor"
      ] do
    @spec unquote(name)(operand, operand) :: value
    def unquote(name)(a, b), do: binary(unquote(op), a, b, :bool)
  end

  @doc "Not, of a bool."
  def logical_not(condition), do: unary("logical_not", condition, :bool)

  @doc "The first value where the condition holds, else the second; one of them may be a number."
  @spec where(value, operand, operand) :: value
  def where(condition, a, b) do
    {a, b} = pair(a, b)
    {dtype(a), dtype(b)} |> same!("where")
    shape = shape(condition) |> broadcast_shape(broadcast_shape(shape(a), shape(b)))
    Expression.node("where", [condition, a, b], %{}, {dtype(a), shape})
  end

  @doc "MLX's own conversion."
  @spec cast(value, Type.dtype()) :: value
  def cast(%Expression{type: {dtype, _}} = a, dtype), do: a

  def cast(a, dtype),
    do: Expression.node("astype", [a], %{"dtype" => Atom.to_string(dtype)}, {dtype, shape(a)})

  @doc "The same bits as another dtype of the same width."
  @spec view(value, Type.dtype()) :: value
  def view(%Expression{type: {dtype, _}} = a, dtype), do: a

  def view(%Expression{type: {_, {}}} = a, dtype),
    do: a |> reshape({1}) |> view(dtype) |> reshape({})

  def view(a, dtype),
    do: Expression.node("view", [a], %{"dtype" => Atom.to_string(dtype)}, {dtype, shape(a)})

  @spec reshape(value, tuple) :: value
  def reshape(%Expression{type: {_, shape}} = a, shape), do: a

  def reshape(a, shape),
    do: Expression.node("reshape", [a], %{"shape" => Tuple.to_list(shape)}, {dtype(a), shape})

  @spec broadcast(value, tuple) :: value
  def broadcast(%Expression{type: {_, shape}} = a, shape), do: a

  def broadcast(a, shape),
    do: Expression.node("broadcast_to", [a], %{"shape" => Tuple.to_list(shape)}, {dtype(a), shape})

  @spec transpose(value, [non_neg_integer]) :: value
  def transpose(a, axes) do
    if axes == axes(a) do
      a
    else
      shape = axes |> Enum.map(&elem(shape(a), &1)) |> List.to_tuple()
      Expression.node("transpose", [a], %{"axes" => axes}, {dtype(a), shape})
    end
  end

  @doc "All axes of a value."
  @spec axes(value) :: [non_neg_integer]
  def axes(value), do: Enum.to_list(Range.new(0, rank(value) - 1, 1))

  @doc "The elements in reverse order along the axes."
  @spec flip(value, [non_neg_integer]) :: value
  def flip(a, axes), do: Expression.node("flip", [a], %{"axes" => axes}, a.type)

  @doc "A part: for each axis where it starts, where it stops, and the steps."
  @spec slice(value, [non_neg_integer], [non_neg_integer], [pos_integer]) :: value
  def slice(a, starts, stops, strides) do
    sizes =
      Enum.zip_with([starts, stops, strides], fn [start, stop, stride] ->
        max(div(stop - start + stride - 1, stride), 0)
      end)

    if List.to_tuple(sizes) == shape(a) do
      a
    else
      attributes = %{"start" => starts, "stop" => stops, "strides" => strides}
      Expression.node("slice", [a], attributes, {dtype(a), List.to_tuple(sizes)})
    end
  end

  @doc "One element of an axis, without the axis."
  @spec at(value, non_neg_integer, non_neg_integer) :: value
  def at(a, axis, index) do
    starts = a |> axes() |> Enum.map(&if(&1 == axis, do: index, else: 0))
    stops = a |> axes() |> Enum.map(&if(&1 == axis, do: index + 1, else: elem(shape(a), &1)))

    a
    |> slice(starts, stops, List.duplicate(1, rank(a)))
    |> reshape(Tuple.delete_at(shape(a), axis))
  end

  @spec concatenate([value], non_neg_integer) :: value
  def concatenate([a], _axis), do: a

  def concatenate([a | _] = values, axis) do
    size = values |> Enum.map(&elem(shape(&1), axis)) |> Enum.sum()
    type = {dtype(a), put_elem(shape(a), axis, size)}
    Expression.node("concatenate", values, %{"axis" => axis}, type)
  end

  @doc "Elements seen through other sizes and strides, which count elements."
  @spec as_strided(value, tuple, [integer]) :: value
  def as_strided(a, shape, strides) do
    attributes = %{"shape" => Tuple.to_list(shape), "strides" => strides}
    Expression.node("as_strided", [a], attributes, {dtype(a), shape})
  end

  @doc "A reduction over the axes, which go, or are kept with size 1; the result has the operand's dtype, or another."
  @spec reduce(String.t(), value, [non_neg_integer], Type.dtype() | nil, boolean) :: value
  def reduce(op, a, axes, dtype \\ nil, keep? \\ false) do
    {shape, attributes} =
      if keep?,
        do: {Enum.reduce(axes, shape(a), &put_elem(&2, &1, 1)), %{"keepdims" => true}},
        else: {without(shape(a), axes), %{}}

    Expression.node(op, [a], Map.put(attributes, "axes", axes), {dtype || dtype(a), shape})
  end

  @doc "The first place of the greatest (`argmax`) or least (`argmin`) element along an axis, which goes; uint32."
  @spec arg(String.t(), value, non_neg_integer) :: value
  def arg(op, a, axis) do
    type = {:uint32, without(shape(a), [axis])}
    Expression.node(op, [a], %{"axis" => axis}, type)
  end

  @doc "Whole numbers from 0, int32 or, where it takes that, int64."
  @spec arange(non_neg_integer) :: value
  def arange(count) do
    dtype = if count <= 0x7FFF_FFFF, do: :int32, else: :int64
    attributes = %{"start" => 0.0, "stop" => count * 1.0, "dtype" => Atom.to_string(dtype)}
    Expression.node("arange", [], attributes, {dtype, {count}})
  end

  @doc "The real and the imaginary parts of complex numbers, float32."
  @spec parts(value) :: {value, value}
  def parts(z), do: {unary("real", z, :float32), unary("imag", z, :float32)}

  @doc "Complex numbers of their parts, which are float32."
  @spec complex(value, value) :: value
  def complex(re, im) do
    shape = shape(re)
    pairs = [re, im] |> Enum.map(&deepen/1) |> concatenate(tuple_size(shape))
    attributes = %{"dtype" => "complex64"}

    type = {:complex64, Tuple.insert_at(shape, tuple_size(shape), 1)}
    "view" |> Expression.node([pairs], attributes, type) |> reshape(shape)
  end

  @doc "A polynomial of the value. The coefficients are from the highest power down."
  @spec polynomial([number], value) :: value
  def polynomial([first | rest], x),
    do: Enum.reduce(rest, scalar(first, dtype(x)), &add(multiply(&2, x), &1))

  @doc "The value with a last axis of size 1."
  @spec deepen(value) :: value
  def deepen(a), do: reshape(a, a |> shape() |> Tuple.insert_at(rank(a), 1))

  @doc "A shape without some axes."
  @spec without(tuple, [non_neg_integer]) :: tuple
  def without(shape, axes) do
    for({size, axis} <- Enum.with_index(Tuple.to_list(shape)), axis not in axes, do: size)
    |> List.to_tuple()
  end

  @doc "The shape that two shapes meet in."
  @spec broadcast_shape(tuple, tuple) :: tuple
  def broadcast_shape(shape, shape), do: shape

  def broadcast_shape(a, b) do
    rank = max(tuple_size(a), tuple_size(b))
    sizes = fn shape -> List.duplicate(1, rank - tuple_size(shape)) ++ Tuple.to_list(shape) end

    Enum.zip_with(sizes.(a), sizes.(b), fn
      n, n -> n
      1, n -> n
      n, 1 -> n
    end)
    |> List.to_tuple()
  end
end
