defmodule Davit.Nx.Lowering.Sorting do
  @moduledoc false
  # Stable sorts. MLX sorts upwards, NaN last. Downwards is the reverse of sorting the reverse: equal elements keep their order,
  # NaN comes first, and no number is negated.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Mlx}

  def names, do: [:sort, :argsort]

  def lower(:sort, {dtype, {}}, [a, _options]), do: Cast.to(a, dtype)
  def lower(:argsort, {dtype, {}}, [_a, _options]), do: Mlx.scalar(0, dtype)

  def lower(:sort, {dtype, _}, [a, options]) do
    axis = options[:axis]

    case options[:direction] do
      :asc -> sort("sort", a, axis, Mlx.dtype(a))
      :desc -> "sort" |> sort(Mlx.flip(a, [axis]), axis, Mlx.dtype(a)) |> Mlx.flip([axis])
    end
    |> Cast.to(dtype)
  end

  def lower(:argsort, {dtype, _}, [a, options]) do
    axis = options[:axis]

    case options[:direction] do
      :asc ->
        sort("argsort", a, axis, :uint32)

      :desc ->
        reversed = sort("argsort", Mlx.flip(a, [axis]), axis, :uint32)
        Mlx.subtract(elem(Mlx.shape(a), axis) - 1, Mlx.flip(reversed, [axis]))
    end
    |> Cast.to(dtype)
  end

  defp sort(op, a, axis, dtype),
    do: Expression.node(op, [a], %{"axis" => axis}, {dtype, Mlx.shape(a)})
end
