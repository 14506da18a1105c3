defmodule Davit.Nx.Lowering.Window do
  @moduledoc false
  # Windows that move over a tensor: its elements are seen as [places..., elements of a window], which is then reduced.
  # What pads the tensor changes no result.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Lowering.Pad, Lowering.Reduction, Mlx, Types}

  @reductions %{window_sum: "sum", window_product: "prod", window_max: "max", window_min: "min"}

  def names, do: Map.keys(@reductions) ++ [:window_scatter_max, :window_scatter_min]

  def lower(name, {dtype, shape}, [a, window, options]) when is_map_key(@reductions, name) do
    a = Cast.to(a, accumulator(name, dtype))
    rank = Mlx.rank(a)

    padded =
      Pad.pad(a, Mlx.scalar(neutral(name, Mlx.dtype(a)), Mlx.dtype(a)), ends(options[:padding]))

    windows = windows(padded, window, options[:strides], options[:window_dilations] || 1)
    axes = Enum.to_list(Range.new(rank, 2 * rank - 1, 1))
    @reductions[name] |> Reduction.arithmetic(windows, axes) |> Cast.to(dtype) |> Mlx.reshape(shape)
  end

  # Each element of `source` is added to `init`, at the place of the greatest or least element of its window, the last of
  # equals. Places in the padding are gone.
  def lower(name, {dtype, shape}, [a, source, init, window, options]) do
    padding = ends(options[:padding])
    padded = Pad.pad(a, Cast.to(init, Mlx.dtype(a)), padding)
    places = chosen(name, padded, window, options[:strides])
    updates = source |> Cast.to(dtype) |> Mlx.reshape(Mlx.shape(Mlx.deepen(places)))
    size = Davit.Type.elements(Mlx.shape(padded))
    flat = Mlx.full(Cast.to(init, dtype), {dtype, {size}})

    "scatter_add"
    |> Expression.node([flat, updates, places], %{"axes" => [0]}, {dtype, {size}})
    |> Mlx.reshape(Mlx.shape(padded))
    |> Pad.pad(Mlx.scalar(0, dtype), for({low, high, 0} <- padding, do: {-low, -high, 0}))
    |> Mlx.reshape(shape)
  end

  # For each window the flat place of the element that is chosen.
  defp chosen(name, padded, window, strides) do
    rank = Mlx.rank(padded)
    windows = windows(padded, window, strides, 1)
    counts = windows |> Mlx.shape() |> Tuple.to_list() |> Enum.take(rank)
    count = Enum.product(counts)
    flat = Mlx.reshape(windows, {count, Davit.Type.elements(window)})

    # The same view of all places says where the elements of a window are.
    everywhere =
      padded
      |> Mlx.shape()
      |> Davit.Type.elements()
      |> Mlx.arange()
      |> Mlx.reshape(Mlx.shape(padded))

    places = everywhere |> windows(window, strides, 1) |> Mlx.reshape(Mlx.shape(flat))

    op = if name == :window_scatter_max, do: "argmax", else: "argmin"
    index = op |> Reduction.last_place(flat, 1) |> Mlx.reshape({count, 1})
    type = {Mlx.dtype(places), {count, 1}}

    "take_along_axis"
    |> Expression.node([places, index], %{"axis" => 1}, type)
    |> Mlx.reshape({count})
  end

  @doc "The elements of a tensor as [places..., elements of a window]."
  @spec windows(Expression.t(), tuple, [pos_integer], [pos_integer] | pos_integer) :: Expression.t()
  def windows(a, window, strides, dilations) do
    sizes = Tuple.to_list(Mlx.shape(a))
    window = Tuple.to_list(window)
    dilations = if is_list(dilations), do: dilations, else: Enum.map(sizes, fn _ -> dilations end)
    steps = steps(sizes)

    counts =
      Enum.zip_with([sizes, window, strides, dilations], fn [size, elements, stride, dilation] ->
        max(div(size - (elements - 1) * dilation - 1, stride) + 1, 0)
      end)

    moves = Enum.zip_with(steps, strides, &*/2) ++ Enum.zip_with(steps, dilations, &*/2)
    Mlx.as_strided(a, List.to_tuple(counts ++ window), moves)
  end

  # How many elements there are from one to the next along each axis.
  defp steps(sizes) do
    {steps, _} = sizes |> Enum.reverse() |> Enum.map_reduce(1, &{&2, &1 * &2})
    Enum.reverse(steps)
  end

  @doc "Padding of both ends as a configuration of `Davit.Nx.Lowering.Pad`."
  def ends(padding), do: for({low, high} <- padding, do: {low, high, 0})

  defp accumulator(name, dtype) when name in [:window_sum, :window_product],
    do: Reduction.accumulator(dtype)

  defp accumulator(_name, dtype), do: dtype

  defp neutral(:window_sum, _), do: 0
  defp neutral(:window_product, _), do: 1

  defp neutral(name, dtype) do
    case {name, Types.kind(dtype)} do
      {:window_max, :float} -> :neg_infinity
      {:window_min, :float} -> :infinity
      {:window_max, _} -> dtype |> Cast.range() |> elem(0)
      {:window_min, _} -> dtype |> Cast.range() |> elem(1)
    end
  end
end
