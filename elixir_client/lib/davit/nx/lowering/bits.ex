defmodule Davit.Nx.Lowering.Bits do
  @moduledoc false
  # Shifts and counts of bits. MLX shifts by the amount modulo the width; in Nx whatever is shifted out is gone. A negative
  # amount is an error in Nx.BinaryBackend; here it acts as an amount beyond the width.

  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  def names,
    do: [:left_shift, :right_shift, :bitwise_not, :population_count, :count_leading_zeros]

  def lower(:left_shift, {dtype, _}, [a, b]) do
    {a, b} = {Cast.to(a, dtype), Cast.to(b, dtype)}
    Mlx.where(inside(b), Mlx.shift_left(a, b), 0)
  end

  # What comes in from the left is that of the operand's own type, which may be unsigned where the output's is not.
  def lower(:right_shift, {dtype, _}, [a, b]) do
    signed? = Types.kind(Mlx.dtype(a)) == :signed
    b = Cast.to(b, dtype)
    a = Cast.to(a, if(signed?, do: dtype, else: Types.unsigned(dtype)))
    most = Types.bits(dtype) - 1
    amount = Cast.to(Mlx.where(inside(b), b, most), Mlx.dtype(a))
    shifted = Mlx.shift_right(a, amount)
    Cast.to(if(signed?, do: shifted, else: Mlx.where(inside(b), shifted, 0)), dtype)
  end

  def lower(:bitwise_not, {dtype, _}, [a]), do: Mlx.unary("bitwise_invert", Cast.to(a, dtype))

  def lower(:population_count, {dtype, _}, [a]), do: a |> unsigned() |> ones() |> Cast.to(dtype)

  # All bits below the highest one are set, and counted.
  def lower(:count_leading_zeros, {dtype, _}, [a]) do
    a = unsigned(a)
    bits = Types.bits(Mlx.dtype(a))

    filled =
      for shift <- [1, 2, 4, 8, 16, 32], shift < bits, reduce: a do
        a -> Mlx.bit_or(a, Mlx.shift_right(a, shift))
      end

    Cast.to(Mlx.subtract(bits, ones(filled)), dtype)
  end

  # As unsigned, a negative amount is a large one.
  defp inside(b), do: Mlx.less(unsigned(b), Types.bits(Mlx.dtype(b)))

  defp unsigned(a), do: Mlx.view(a, Types.unsigned(Mlx.dtype(a)))

  # The bits are counted in pairs, the pairs in fours, and so on; the products of bytes meet in the highest one.
  defp ones(a) do
    bits = Types.bits(Mlx.dtype(a))

    repeated = fn byte ->
      for(_ <- 1..div(bits, 8), into: <<>>, do: <<byte>>) |> :binary.decode_unsigned()
    end

    pairs = Mlx.subtract(a, a |> Mlx.shift_right(1) |> Mlx.bit_and(repeated.(0x55)))
    low = Mlx.bit_and(pairs, repeated.(0x33))
    fours = Mlx.add(low, pairs |> Mlx.shift_right(2) |> Mlx.bit_and(repeated.(0x33)))
    bytes = fours |> Mlx.add(Mlx.shift_right(fours, 4)) |> Mlx.bit_and(repeated.(0x0F))
    bytes |> Mlx.multiply(repeated.(0x01)) |> Mlx.shift_right(bits - 8)
  end
end
