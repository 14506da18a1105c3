defmodule Davit.Nx.Lowering.Arithmetic do
  @moduledoc false
  # Powers, quotients and remainders, signs and rounding. Nx divides integers towards zero, MLX towards negative infinity.
  # A division by zero is an error in Nx.BinaryBackend; here it is what XLA makes of it: -1 (all bits), remainder the
  # dividend. The least integer divided by -1 is itself.

  alias Davit.Nx.{Lowering.Cast, Lowering.Comparison, Lowering.Elementwise, Mlx, Types}

  def names, do: [:pow, :quotient, :remainder, :abs, :sign, :round, :real, :imag, :clip]

  def lower(:pow, {:complex64, _}, [a, b]) do
    {a, b} = {Cast.to(a, :complex64), Cast.to(b, :complex64)}
    infinite? = Mlx.either(Elementwise.infinite?(a), Elementwise.infinite?(b))
    Mlx.where(infinite?, {:nan, :nan}, Mlx.power(a, b))
  end

  def lower(:pow, {dtype, _}, [a, b]), do: Mlx.power(Cast.to(a, dtype), Cast.to(b, dtype))

  def lower(:quotient, {dtype, _}, [a, b]) do
    quotient =
      if Comparison.mixed?(a, b),
        do: with_sign(Mlx.floor_divide(size(a), size(b)), Mlx.differ(negative?(a), negative?(b))),
        else: cut_quotient(Cast.to(a, dtype), Cast.to(b, dtype))

    {least, greatest} = Cast.range(dtype)
    all_bits = if least == 0, do: greatest, else: -1
    Mlx.where(Mlx.equal(b, 0), all_bits, Cast.to(quotient, dtype))
  end

  def lower(:remainder, {dtype, _}, [a, b]) do
    cond do
      Types.kind(dtype) == :float ->
        float_remainder(Cast.to(a, dtype), Cast.to(b, dtype))

      Comparison.mixed?(a, b) ->
        Mlx.remainder(size(a), size(b)) |> with_sign(negative?(a)) |> Cast.to(dtype)

      true ->
        cut_remainder(Cast.to(a, dtype), Cast.to(b, dtype))
    end
  end

  def lower(:abs, {dtype, _}, [a]), do: a |> absolute() |> Cast.to(dtype)

  def lower(:sign, {dtype, _}, [a]) do
    a = Cast.to(a, dtype)
    sign = Mlx.unary("sign", a)

    # NaN has none; and zeros keep theirs.
    if Types.kind(dtype) == :float do
      Mlx.where(Mlx.either(Mlx.unary("isnan", a, :bool), Mlx.equal(a, 0.0)), a, sign)
    else
      sign
    end
  end

  # Halves go away from zero; MLX's go to the even neighbour.
  def lower(:round, {dtype, _}, [a]) do
    a = Cast.to(a, dtype)

    if Types.kind(dtype) == :float do
      whole = Mlx.unary("trunc", a)
      half? = Mlx.greater_equal(absolute(Mlx.subtract(a, whole)), 0.5)
      Mlx.add(whole, Mlx.where(half?, Mlx.unary("sign", a), 0.0))
    else
      a
    end
  end

  def lower(name, {dtype, _}, [z]) when name in [:real, :imag],
    do: Mlx.unary(Atom.to_string(name), z, dtype)

  # NaN is not greater than the least one, and becomes it.
  def lower(:clip, {dtype, _}, [a, least, greatest]) do
    above? = Comparison.compare(:greater, a, least)

    below? =
      Mlx.where(
        above?,
        Comparison.compare(:less, a, greatest),
        Comparison.compare(:less, least, greatest)
      )

    [a, least, greatest] = Enum.map([a, least, greatest], &Cast.to(&1, dtype))
    Mlx.where(below?, Mlx.where(above?, a, least), greatest)
  end

  defp absolute(a) do
    dtype = Mlx.dtype(a)
    Mlx.unary("abs", a, if(Types.kind(dtype) == :complex, do: :float32, else: dtype))
  end

  # A uint64 and a signed integer are divided by their absolute values, which a uint64 holds.
  defp size(a) do
    if Types.kind(Mlx.dtype(a)) == :signed,
      do: a |> Mlx.cast(:int64) |> absolute() |> Mlx.view(:uint64),
      else: a
  end

  defp negative?(a), do: Mlx.less(a, 0)

  defp with_sign(size, negative?), do: Mlx.where(negative?, Mlx.unary("negative", size), size)

  defp cut_quotient(a, b) do
    quotient = Mlx.floor_divide(a, b)

    if Types.kind(Mlx.dtype(a)) == :signed,
      do: Mlx.add(quotient, Mlx.cast(below(a, b), Mlx.dtype(a))),
      else: quotient
  end

  defp cut_remainder(a, b) do
    remainder = Mlx.remainder(a, b)

    if Types.kind(Mlx.dtype(a)) == :signed,
      do: Mlx.subtract(remainder, Mlx.where(below(a, b), b, 0)),
      else: remainder
  end

  # Where the quotient that is rounded down lies below the one that is cut.
  defp below(a, b) do
    uneven = Mlx.not_equal(Mlx.remainder(a, b), 0)
    Mlx.both(uneven, Mlx.differ(Mlx.less(a, 0), Mlx.less(b, 0)))
  end

  # Of positive numbers both remainders are the same. The sign is the dividend's.
  defp float_remainder(a, b) do
    remainder = Mlx.remainder(absolute(a), absolute(b))
    Mlx.where(Mlx.less(a, 0.0), Mlx.unary("negative", remainder), remainder)
  end
end
