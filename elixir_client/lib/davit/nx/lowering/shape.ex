defmodule Davit.Nx.Lowering.Shape do
  @moduledoc false
  # Operations that move elements and compute none.

  alias Davit.Nx.{Lowering.Cast, Lowering.Pad, Mlx}

  def names,
    do: [:reshape, :squeeze, :broadcast, :transpose, :pad, :reverse, :concatenate, :stack]

  def lower(:reshape, {_, shape}, [a]), do: Mlx.reshape(a, shape)
  def lower(:squeeze, {_, shape}, [a, _axes]), do: Mlx.reshape(a, shape)

  # The operand's axes are those of the output that `axes` names.
  def lower(:broadcast, {_, shape}, [a, _shape, axes]) do
    sizes = axes |> Enum.zip(Tuple.to_list(Mlx.shape(a))) |> Map.new()
    aligned = for axis <- Range.new(0, tuple_size(shape) - 1, 1), do: Map.get(sizes, axis, 1)
    a |> Mlx.reshape(List.to_tuple(aligned)) |> Mlx.broadcast(shape)
  end

  def lower(:transpose, _out, [a, axes]), do: Mlx.transpose(a, axes)

  def lower(:pad, {dtype, _}, [a, value, config]),
    do: a |> Cast.to(dtype) |> Pad.pad(Cast.to(value, dtype), config)

  def lower(:reverse, _out, [a, axes]), do: Mlx.flip(a, axes)

  def lower(:concatenate, {dtype, _}, [values, axis]),
    do: values |> Enum.map(&Cast.to(&1, dtype)) |> Mlx.concatenate(axis)

  def lower(:stack, {dtype, shape}, [values, axis]) do
    part = put_elem(shape, axis, 1)
    values |> Enum.map(&(&1 |> Cast.to(dtype) |> Mlx.reshape(part))) |> Mlx.concatenate(axis)
  end
end
