defmodule Davit.Nx.Lowering.Arithmetic do
  @moduledoc false
  # Powers, quotients and remainders, signs and rounding. Nx divides integers towards zero, MLX towards negative infinity.
  # A division by zero is an error in Nx.BinaryBackend; here it is what XLA makes of it: -1 (all bits), remainder the
  # dividend. The least integer divided by -1 is itself.

  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  def names, do: [:pow, :quotient, :remainder, :abs, :sign, :round, :real, :imag, :clip]

  def lower(:pow, {dtype, _}, [a, b]), do: Mlx.power(Cast.to(a, dtype), Cast.to(b, dtype))

  def lower(:quotient, {dtype, _}, [a, b]) do
    {a, b} = {Cast.to(a, dtype), Cast.to(b, dtype)}
    quotient = Mlx.floor_divide(a, b)

    quotient =
      if Types.kind(dtype) == :signed,
        do: Mlx.add(quotient, Mlx.cast(below(a, b), dtype)),
        else: quotient

    {least, greatest} = Cast.range(dtype)
    Mlx.where(Mlx.equal(b, 0), if(least == 0, do: greatest, else: -1), quotient)
  end

  def lower(:remainder, {dtype, _}, [a, b]) do
    {a, b} = {Cast.to(a, dtype), Cast.to(b, dtype)}

    case Types.kind(dtype) do
      :unsigned -> Mlx.remainder(a, b)
      :signed -> Mlx.subtract(Mlx.remainder(a, b), Mlx.where(below(a, b), b, 0))
      :float -> float_remainder(a, b)
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
    [a, least, greatest] = Enum.map([a, least, greatest], &Cast.to(&1, dtype))
    a = Mlx.where(Mlx.greater(a, least), a, least)
    Mlx.where(Mlx.less(a, greatest), a, greatest)
  end

  defp absolute(a) do
    dtype = Mlx.dtype(a)
    Mlx.unary("abs", a, if(Types.kind(dtype) == :complex, do: :float32, else: dtype))
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
