defmodule Davit.Nx.Lowering.Dot do
  @moduledoc false
  # Sums of products over axes of two tensors, with batch axes: a product of matrices. MLX multiplies no matrices of integers. These
  # are cut into digits of 16 bits, whose products are exact in float64. Only the digits that the result keeps are multiplied.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  # A sum of at most this many products of two digits is exact.
  @terms 0x20_0000

  def names, do: [:dot]

  def lower(:dot, {dtype, shape}, [a, contract_a, batch_a, b, contract_b, batch_b]) do
    left = matrices(Cast.to(a, dtype), batch_a, contract_a, :last)
    right = matrices(Cast.to(b, dtype), batch_b, contract_b, :first)
    left |> product(right) |> Mlx.reshape(shape)
  end

  # [batch, free, contracted], or the last two swapped; of floats without batch axes no batch.
  defp matrices(a, batch, contract, place) do
    free = Mlx.axes(a) -- (batch ++ contract)
    matrix = if place == :last, do: [free, contract], else: [contract, free]
    parts = if batch == [] and not Types.integer?(Mlx.dtype(a)), do: matrix, else: [batch | matrix]
    count = fn axes -> axes |> Enum.map(&elem(Mlx.shape(a), &1)) |> Enum.product() end
    shape = parts |> Enum.map(count) |> List.to_tuple()
    a |> Mlx.transpose(Enum.concat(parts)) |> Mlx.reshape(shape)
  end

  @doc "The product of two matrices of floats; or the products of two batches of matrices, of any dtype."
  @spec product(Expression.t(), Expression.t()) :: Expression.t()
  def product(%{type: {dtype, {m, k}}} = a, %{type: {_, {k, n}}} = b) do
    if m == 0 or n == 0 or k == 0,
      do: Mlx.full(0, {dtype, {m, n}}),
      else: Expression.node("matmul", [a, b], %{}, {dtype, {m, n}})
  end

  def product(%{type: {dtype, {batch, m, k}}} = a, %{type: {_, {_, k, n}}} = b) do
    cond do
      batch == 0 or m == 0 or n == 0 or k == 0 -> Mlx.full(0, {dtype, {batch, m, n}})
      Types.integer?(dtype) and k <= @terms -> digits(a, b, dtype)
      Types.integer?(dtype) -> summed(a, b)
      true -> matmul(a, b)
    end
  end

  defp matmul(%{type: {dtype, {batch, m, _}}} = a, %{type: {_, {_, _, n}}} = b),
    do: Expression.node("matmul", [a, b], %{}, {dtype, {batch, m, n}})

  # Digits are from the lowest up; products of those whose places together are beyond the width are gone.
  defp digits(a, b, dtype) do
    places = Enum.to_list(0..(div(Types.bits(dtype) + 15, 16) - 1))
    {left, right} = {Enum.map(places, &digit(a, &1)), Enum.map(places, &digit(b, &1))}

    for(i <- places, j <- places, i + j < length(places), do: {i, j})
    |> Enum.map(fn {i, j} ->
      sum = left |> Enum.at(i) |> matmul(Enum.at(right, j)) |> Mlx.cast(:uint64)
      if i + j == 0, do: sum, else: Mlx.shift_left(sum, 16 * (i + j))
    end)
    |> Enum.reduce(&Mlx.add(&2, &1))
    |> Mlx.cast(dtype)
  end

  defp digit(a, place) do
    a = Mlx.view(a, Types.unsigned(Mlx.dtype(a)))
    a = if place == 0, do: a, else: Mlx.shift_right(a, 16 * place)
    a = if Types.bits(Mlx.dtype(a)) > 16, do: Mlx.bit_and(a, 0xFFFF), else: a
    Mlx.cast(a, :float64)
  end

  defp summed(%{type: {dtype, {batch, m, k}}} = a, %{type: {_, {_, k, n}}} = b) do
    products = Mlx.multiply(Mlx.reshape(a, {batch, m, k, 1}), Mlx.reshape(b, {batch, 1, k, n}))
    "sum" |> Mlx.reduce(Mlx.cast(products, :int64), [2]) |> Mlx.cast(dtype)
  end
end
