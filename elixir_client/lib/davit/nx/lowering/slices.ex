defmodule Davit.Nx.Lowering.Slices do
  @moduledoc false
  # Slices that begin where numbers or scalar tensors say. A start is moved so that the slice fits.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Mlx}

  def names, do: [:slice, :put_slice]

  def lower(:slice, {_, shape}, [a, starts, lengths, strides]) do
    starts = clamp(starts, Mlx.shape(a), lengths)

    if Enum.all?(starts, &is_integer/1) do
      stops = Enum.zip_with(starts, lengths, &+/2)
      Mlx.slice(a, starts, stops, strides)
    else
      attributes = %{"axes" => Mlx.axes(a), "slice_size" => lengths}
      type = {Mlx.dtype(a), List.to_tuple(lengths)}
      part = Expression.node("dynamic_slice", [a, positions(starts)], attributes, type)
      none = List.duplicate(0, tuple_size(shape))
      Mlx.slice(part, none, lengths, strides)
    end
  end

  def lower(:put_slice, {dtype, {}}, [_a, [], update]), do: Cast.to(update, dtype)

  def lower(:put_slice, {dtype, _} = out, [a, starts, update]) do
    {a, update} = {Cast.to(a, dtype), Cast.to(update, dtype)}
    lengths = Tuple.to_list(Mlx.shape(update))
    starts = clamp(starts, Mlx.shape(a), lengths)

    if Enum.all?(starts, &is_integer/1) do
      stops = Enum.zip_with(starts, lengths, &+/2)
      attributes = %{"start" => starts, "stop" => stops}
      Expression.node("slice_update", [a, update], attributes, out)
    else
      attributes = %{"axes" => Mlx.axes(a)}
      Expression.node("dynamic_slice_update", [a, update, positions(starts)], attributes, out)
    end
  end

  defp clamp(starts, shape, lengths) do
    Enum.zip_with([starts, Tuple.to_list(shape), lengths], fn [start, size, length] ->
      clamp_one(start, size - length)
    end)
  end

  defp clamp_one(start, last) when is_integer(start), do: start |> max(0) |> min(last)

  # In its own dtype, which may be wider than a position.
  defp clamp_one(start, last) do
    {least, greatest} = Cast.range(Mlx.dtype(start))
    start = if last < greatest, do: Mlx.minimum(start, last), else: start
    start = if least < 0, do: Mlx.maximum(start, 0), else: start
    Mlx.cast(start, :int32)
  end

  defp positions(starts) do
    starts
    |> Enum.map(fn
      start when is_integer(start) -> Mlx.vector([start], :int32)
      start -> Mlx.reshape(start, {1})
    end)
    |> Mlx.concatenate(0)
  end
end
