defmodule Davit.Nx.Lowering.Cast do
  @moduledoc false
  # Conversions. Integers keep their low bits. Floats become integers by truncation, and then keep the low bits of that,
  # however large it is; NaN becomes 0, an infinity the greatest or least integer. C++, and so MLX, leaves open what
  # becomes of floats outside of an integer's range.

  alias Davit.Nx.{Mlx, Types}

  # 2^63 and 2^64.
  @half 9_223_372_036_854_775_808.0
  @whole 18_446_744_073_709_551_616.0

  def names, do: [:as_type, :bitcast]

  def lower(:as_type, {dtype, _}, [a]), do: to(a, dtype)
  def lower(:bitcast, {dtype, _}, [a]), do: Mlx.view(a, dtype)

  @doc "The value as another dtype, as Nx converts."
  def to(a, dtype), do: convert(a, Types.kind(Mlx.dtype(a)), dtype, Types.kind(dtype))

  defp convert(a, kind, dtype, kind) when kind in [:float, :complex], do: Mlx.cast(a, dtype)

  defp convert(a, :complex, dtype, _), do: "real" |> Mlx.unary(a, :float32) |> to(dtype)

  defp convert(a, :float, dtype, kind) when kind in [:signed, :unsigned],
    do: a |> Mlx.cast(Types.wide(Mlx.dtype(a))) |> to_integer(dtype)

  defp convert(a, _, dtype, _), do: Mlx.cast(a, dtype)

  defp to_integer(a, dtype) do
    whole = Mlx.unary("trunc", a)
    {least, greatest} = range(dtype)

    whole
    |> low_bits(dtype)
    |> then(&Mlx.where(Mlx.unary("isposinf", a, :bool), greatest, &1))
    |> then(&Mlx.where(Mlx.unary("isneginf", a, :bool), least, &1))
    |> then(&Mlx.where(Mlx.unary("isnan", a, :bool), 0, &1))
  end

  # Within 64 bits the conversion to int64 is exact; what is beyond loses whole multiples of 2^64.
  defp low_bits(whole, dtype) do
    inside = Mlx.less(Mlx.unary("abs", whole), @half)
    small = Mlx.cast(Mlx.where(inside, whole, 0.0), :int64)
    laps = Mlx.unary("floor", Mlx.divide(whole, @whole))
    rest = Mlx.subtract(whole, Mlx.multiply(laps, @whole))
    rest = Mlx.where(Mlx.both(Mlx.greater_equal(rest, 0.0), Mlx.less(rest, @whole)), rest, 0.0)
    large = rest |> Mlx.cast(:uint64) |> Mlx.view(:int64)
    Mlx.cast(Mlx.where(inside, small, large), dtype)
  end

  @doc "The least and the greatest integer of a dtype."
  def range(dtype) do
    bits = Types.bits(dtype)

    case Types.kind(dtype) do
      :unsigned -> {0, Bitwise.bsl(1, bits) - 1}
      :signed -> {-Bitwise.bsl(1, bits - 1), Bitwise.bsl(1, bits - 1) - 1}
    end
  end
end
