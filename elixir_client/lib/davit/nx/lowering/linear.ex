defmodule Davit.Nx.Lowering.Linear do
  @moduledoc false
  # Linear algebra. MLX solves triangular systems by the inverse of the matrix: in float64, so that little is lost.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  def names, do: [:triangular_solve]

  def lower(:triangular_solve, {dtype, shape}, [a, b, options]) do
    if Types.kind(dtype) == :complex,
      do: :host,
      else: a |> solve(b, shape, options) |> Cast.to(dtype)
  end

  defp solve(a, b, shape, options) do
    {a, b} = {Cast.to(a, :float64), Cast.to(b, :float64)}
    vector? = Mlx.rank(b) == Mlx.rank(a) - 1
    left? = Keyword.get(options, :left_side, true)
    transposed? = options[:transform_a] == :transpose
    lower? = Keyword.get(options, :lower, true)

    # x * a = b is the same as transpose(a) * transpose(x) = transpose(b).
    b = if vector?, do: Mlx.deepen(b), else: b
    b = if left? or vector?, do: b, else: swapped(b)
    turned? = transposed? != not left?
    a = if turned?, do: swapped(a), else: a
    upper? = lower? == turned?

    x = Expression.node("linalg.solve_triangular", [a, b], %{"upper" => upper?}, b.type)
    x = if left? or vector?, do: x, else: swapped(x)
    Mlx.reshape(x, shape)
  end

  defp swapped(a) do
    rank = Mlx.rank(a)
    Mlx.transpose(a, Enum.to_list(Range.new(0, rank - 3, 1)) ++ [rank - 1, rank - 2])
  end
end
