defmodule Davit.Nx.Lowering.Comparison do
  @moduledoc false
  # Comparisons, logic and choice. Their results are u8. Numbers of different types are compared as numbers: integers of any
  # signs and widths exactly, integers of 32 bits with floats in float64.

  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  @comparisons [:equal, :not_equal, :greater, :less, :greater_equal, :less_equal]
  @logic %{logical_and: "logical_and", logical_or: "logical_or", logical_xor: "logical_xor"}

  def names, do: @comparisons ++ Map.keys(@logic) ++ [:is_nan, :is_infinity, :select]

  def lower(name, {dtype, _}, [a, b]) when name in @comparisons,
    do: name |> compare(a, b) |> Mlx.cast(dtype)

  def lower(name, {dtype, _}, [a, b]) when is_map_key(@logic, name),
    do: @logic[name] |> Mlx.binary(true?(a), true?(b), :bool) |> Mlx.cast(dtype)

  def lower(:is_nan, {dtype, _}, [a]), do: a |> test("isnan") |> Mlx.cast(dtype)
  def lower(:is_infinity, {dtype, _}, [a]), do: a |> test("isinf") |> Mlx.cast(dtype)

  def lower(:select, {dtype, shape}, [condition, a, b]) do
    condition |> true?() |> Mlx.where(Cast.to(a, dtype), Cast.to(b, dtype)) |> Mlx.broadcast(shape)
  end

  @doc "Whether elements are other than zero, as NaN is; a bool."
  def true?(a), do: Mlx.not_equal(a, 0)

  defp test(a, op) do
    case Types.kind(Mlx.dtype(a)) do
      :complex ->
        {re, im} = Mlx.parts(a)
        Mlx.either(test(re, op), test(im, op))

      _ ->
        Mlx.unary(op, a, :bool)
    end
  end

  @doc "A comparison of numbers of any types; a bool."
  def compare(name, a, b) do
    case common(Mlx.dtype(a), Mlx.dtype(b)) do
      :mixed ->
        mixed(name, a, b)

      dtype ->
        op = Atom.to_string(name)
        Mlx.binary(op, Cast.to(a, dtype), Cast.to(b, dtype), :bool)
    end
  end

  @doc "Tells whether one value is a uint64 and the other a signed integer: no dtype holds the integers of both."
  def mixed?(a, b), do: common(Mlx.dtype(a), Mlx.dtype(b)) == :mixed

  # The dtype in which all numbers of both are exact, as far as there is one.
  defp common(dtype, dtype), do: dtype

  defp common(a, b) do
    case {Types.kind(a), Types.kind(b)} do
      {:complex, _} -> :complex64
      {_, :complex} -> :complex64
      {:float, :float} -> wider(a, b)
      {:float, _} -> float(a, b)
      {_, :float} -> float(b, a)
      {kind, kind} -> wider(a, b)
      {:signed, :unsigned} -> integer(b)
      {:unsigned, :signed} -> integer(a)
    end
  end

  defp wider(a, b) do
    case {Types.bits(a), Types.bits(b)} do
      {bits, bits} -> :float32
      {more, bits} when more > bits -> a
      _ -> b
    end
  end

  defp float(_float, integer) when integer in [:uint32, :int32, :uint64, :int64], do: :float64
  defp float(:float64, _), do: :float64
  defp float(_, _), do: :float32

  defp integer(:uint64), do: :mixed
  defp integer(_), do: :int64

  # Of a uint64 and a signed integer. A negative one is less than every uint64.
  defp mixed(name, a, b) do
    if Mlx.dtype(a) == :uint64,
      do:
        Mlx.where(
          Mlx.less(b, 0),
          full(name in [:greater, :greater_equal, :not_equal]),
          same(name, a, b)
        ),
      else:
        Mlx.where(Mlx.less(a, 0), full(name in [:less, :less_equal, :not_equal]), same(name, a, b))
  end

  defp full(truth), do: Mlx.scalar(truth, :bool)

  defp same(name, a, b) do
    name |> Atom.to_string() |> Mlx.binary(Mlx.cast(a, :uint64), Mlx.cast(b, :uint64), :bool)
  end
end
