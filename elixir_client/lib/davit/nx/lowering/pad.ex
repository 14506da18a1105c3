defmodule Davit.Nx.Lowering.Pad do
  @moduledoc false
  # Padding as `{low, high, interior}` for each axis: elements between the others, then at both ends; negative numbers cut.

  alias Davit.Graph.Expression
  alias Davit.Nx.Mlx

  @type config :: [{integer, integer, non_neg_integer}]

  @doc "The value with elements added, each a scalar of its dtype, or cut."
  @spec pad(Expression.t(), Expression.t(), config) :: Expression.t()
  def pad(a, value, config) do
    a |> grow(value, config) |> cut(config)
  end

  defp grow(a, value, config) do
    cond do
      Enum.all?(config, fn {low, high, interior} -> low <= 0 and high <= 0 and interior == 0 end) ->
        a

      Enum.all?(config, fn {_, _, interior} -> interior == 0 end) ->
        ends(a, value, config)

      true ->
        spread(a, value, config)
    end
  end

  defp ends(a, value, config) do
    widths = Enum.flat_map(config, fn {low, high, _} -> [max(low, 0), max(high, 0)] end)
    Expression.node("pad", [a, value], %{"pad_width" => widths}, {Mlx.dtype(a), grown(a, config)})
  end

  # The elements are written into a tensor of the value, some apart.
  defp spread(a, value, config) do
    shape = grown(a, config)
    starts = for {low, _, _} <- config, do: max(low, 0)
    strides = for {_, _, interior} <- config, do: interior + 1

    stops =
      Enum.zip_with([starts, strides, Tuple.to_list(Mlx.shape(a))], fn [start, stride, size] ->
        if size == 0, do: start, else: start + (size - 1) * stride + 1
      end)

    attributes = %{"start" => starts, "stop" => stops, "strides" => strides}
    type = {Mlx.dtype(a), shape}
    Expression.node("slice_update", [Mlx.full(value, type), a], attributes, type)
  end

  defp grown(a, config) do
    Enum.zip_with(Tuple.to_list(Mlx.shape(a)), config, fn size, {low, high, interior} ->
      max(size - 1, 0) * interior + size + max(low, 0) + max(high, 0)
    end)
    |> List.to_tuple()
  end

  defp cut(a, config) do
    starts = for {low, _, _} <- config, do: max(-low, 0)

    stops =
      Enum.zip_with(Tuple.to_list(Mlx.shape(a)), config, fn size, {_, high, _} ->
        size - max(-high, 0)
      end)

    Mlx.slice(a, starts, stops, List.duplicate(1, length(config)))
  end
end
