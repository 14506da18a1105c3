defmodule Davit.Nx.Lowering.Indexing do
  @moduledoc false
  # Gathers and scatters. Indices along the last axis of `indices` are for the axes of the option `:axes`. What is beyond an axis
  # is clamped into it; the backend refuses such indices where it knows their values, as Nx.BinaryBackend does.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Mlx}

  def names, do: [:gather, :indexed_add, :indexed_put]

  def lower(:gather, {dtype, shape}, [a, indices, options]) do
    axes = axes(indices, options)
    sizes = slice_sizes(a, axes)
    parts = Mlx.without(Mlx.shape(indices), [Mlx.rank(indices) - 1])
    attributes = %{"axes" => axes, "slice_sizes" => sizes}
    type = {dtype, List.to_tuple(Tuple.to_list(parts) ++ sizes)}
    operands = [a | split(indices, length(axes))]
    "gather" |> Expression.node(operands, attributes, type) |> Mlx.reshape(shape)
  end

  # Of updates for one place the last one stays.
  def lower(:indexed_put, out, arguments), do: scatter("scatter", out, arguments)
  def lower(:indexed_add, out, arguments), do: scatter("scatter_add", out, arguments)

  defp scatter(op, {dtype, _} = out, [a, indices, updates, options]) do
    axes = axes(indices, options)
    a = Cast.to(a, dtype)
    parts = elem(Mlx.shape(indices), 0)
    shape = List.to_tuple([parts | slice_sizes(a, axes)])
    updates = updates |> Cast.to(dtype) |> Mlx.reshape(shape)
    Expression.node(op, [a, updates | split(indices, length(axes))], %{"axes" => axes}, out)
  end

  defp axes(indices, options) do
    depth = elem(Mlx.shape(indices), Mlx.rank(indices) - 1)
    options[:axes] || Enum.to_list(0..(depth - 1))
  end

  defp slice_sizes(a, axes) do
    for {size, axis} <- Enum.with_index(Tuple.to_list(Mlx.shape(a))),
        do: if(axis in axes, do: 1, else: size)
  end

  # One operand of indices for each axis.
  defp split(indices, depth) do
    for index <- 0..(depth - 1), do: Mlx.at(indices, Mlx.rank(indices) - 1, index)
  end
end
