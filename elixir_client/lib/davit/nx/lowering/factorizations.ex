defmodule Davit.Nx.Lowering.Factorizations do
  @moduledoc false
  # Blocks of linear algebra that LAPACK computes, in float64, so that a narrower type loses no more than its last digit. Those
  # whose results have signs or an order of their own (eigh, svd, qr) are left as Nx defines them.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  @doc "The block's results, or `:default`."
  def lower(%{__struct__: name}, outs, [a | _] = arguments) do
    if Types.kind(Mlx.dtype(a)) == :complex or 0 in Tuple.to_list(Mlx.shape(a)),
      do: :default,
      else: factor(name, outs, Enum.map(arguments, &Cast.to(&1, :float64)))
  end

  # Row i of the matrix is row p[i] of the product of the factors: P has a 1 there.
  defp factor(Nx.Block.LinAlg.LU, [p, l, u], [a]) do
    shape = Mlx.shape(a)
    n = elem(shape, tuple_size(shape) - 1)
    types = [{:uint32, Tuple.delete_at(shape, tuple_size(shape) - 1)}, a.type, a.type]
    [rows, lower, upper] = Expression.node("linalg.lu", [a], %{}, types)
    places = Mlx.equal(Mlx.deepen(rows), Mlx.cast(Mlx.arange(n), :uint32))
    results([places, lower, upper], [p, l, u])
  end

  defp factor(Nx.Block.LinAlg.Solve, [out], [a, b]) do
    b = if Mlx.rank(b) < Mlx.rank(a), do: Mlx.deepen(b), else: b
    x = Expression.node("linalg.solve", [a, b], %{}, b.type)
    results([Mlx.reshape(x, elem(out, 1))], [out])
  end

  defp results(values, outs), do: Enum.zip_with(values, outs, &Cast.to(&1, elem(&2, 0)))
end
