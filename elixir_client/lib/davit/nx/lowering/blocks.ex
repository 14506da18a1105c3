defmodule Davit.Nx.Lowering.Blocks do
  @moduledoc false
  # Blocks of Nx that MLX computes as a whole. A block that is not here has its default implementation.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering, Lowering.Cast, Mlx, Types}

  @cumulative %{
    Nx.Block.CumulativeSum => "cumsum",
    Nx.Block.CumulativeProduct => "cumprod",
    Nx.Block.CumulativeMax => "cummax",
    Nx.Block.CumulativeMin => "cummin"
  }

  @factorizations [Nx.Block.LinAlg.LU, Nx.Block.LinAlg.Solve]

  @doc "The block's results, or `:default`."
  def lower(block, outs, arguments)

  def lower(%{__struct__: Nx.Block.LogicalNot}, [{dtype, _}], [a]),
    do: [Mlx.cast(Mlx.equal(a, 0), dtype)]

  def lower(%{__struct__: Nx.Block.Phase}, [{dtype, _}], [%{type: {:complex64, _}} = z]) do
    {re, im} = Mlx.parts(z)
    [Cast.to(Mlx.binary("arctan2", im, re), dtype)]
  end

  def lower(%{__struct__: name} = block, [{dtype, _}], [a]) when is_map_key(@cumulative, name) do
    # Half precision is summed in single.
    a = Cast.to(a, Types.wide(dtype))
    attributes = %{"axis" => block.axis, "reverse" => block.reverse}
    [@cumulative[name] |> Expression.node([a], attributes, a.type) |> Cast.to(dtype)]
  end

  def lower(%{__struct__: Nx.Block.Take, axis: axis}, [out], [a, indices]),
    do: [Expression.node("take", [a, indices], %{"axis" => axis}, out)]

  def lower(%{__struct__: Nx.Block.TakeAlongAxis, axis: axis}, [out], [a, indices]),
    do: [Expression.node("take_along_axis", [a, indices], %{"axis" => axis}, out)]

  def lower(%{__struct__: Nx.Block.TopK}, [values, {dtype, _}], [a]) do
    axis = Mlx.rank(a) - 1
    order = Lowering.op(:argsort, {:int32, Mlx.shape(a)}, [a, [axis: axis, direction: :desc]])
    starts = List.duplicate(0, axis + 1)
    places = Mlx.slice(order, starts, Tuple.to_list(elem(values, 1)), List.duplicate(1, axis + 1))
    best = Expression.node("take_along_axis", [a, places], %{"axis" => axis}, values)
    [best, Cast.to(places, dtype)]
  end

  def lower(%{__struct__: Nx.Block.RFFT} = block, [{:complex64, shape} = out], [a]) do
    options = [length: block.length, axis: block.axis, eps: block.eps]

    whole =
      Lowering.op(:fft, put_elem(out, 1, put_elem(shape, block.axis, block.length)), [a, options])

    rank = tuple_size(shape)
    [Mlx.slice(whole, List.duplicate(0, rank), Tuple.to_list(shape), List.duplicate(1, rank))]
  end

  def lower(%{__struct__: name} = block, [{:complex64, shape}], [a])
      when name in [Nx.Block.FFT2, Nx.Block.IFFT2] do
    kind = if name == Nx.Block.FFT2, do: :fft, else: :ifft
    [first, last] = block.axes
    [rows, columns] = block.lengths
    middle = put_elem(Mlx.shape(a), last, columns)
    a = Lowering.op(kind, {:complex64, middle}, [a, [axis: last, length: columns, eps: block.eps]])
    [Lowering.op(kind, {:complex64, shape}, [a, [axis: first, length: rows, eps: block.eps]])]
  end

  def lower(%{__struct__: name} = block, outs, arguments) when name in @factorizations,
    do: Lowering.Factorizations.lower(block, outs, arguments)

  def lower(_block, _outs, _arguments), do: :default
end
