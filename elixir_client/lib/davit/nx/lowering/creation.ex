defmodule Davit.Nx.Lowering.Creation do
  @moduledoc false
  # Tensors that are made of no other tensors. `:constant` takes a number, which may be complex, `:nan` or infinite.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  def names, do: [:constant, :eye, :iota]

  def lower(:constant, {dtype, _} = out, [number]), do: number |> number(dtype) |> Mlx.full(out)

  def lower(:eye, {dtype, shape} = out, []) do
    rank = tuple_size(shape)
    {n, m} = {elem(shape, rank - 2), elem(shape, rank - 1)}
    attributes = %{"n" => n, "m" => m, "dtype" => Atom.to_string(dtype)}
    Expression.node("eye", [], attributes, {dtype, {n, m}}) |> Mlx.broadcast(elem(out, 1))
  end

  def lower(:iota, {dtype, shape}, [nil]) do
    shape
    |> Tuple.to_list()
    |> Enum.product()
    |> Mlx.arange()
    |> Cast.to(dtype)
    |> Mlx.reshape(shape)
  end

  def lower(:iota, {dtype, shape}, [axis]) do
    size = elem(shape, axis)
    aligned = List.duplicate(1, tuple_size(shape)) |> List.replace_at(axis, size) |> List.to_tuple()
    size |> Mlx.arange() |> Cast.to(dtype) |> Mlx.reshape(aligned) |> Mlx.broadcast(shape)
  end

  # An integer may be beyond its type, and keeps its low bits.
  defp number(%{__struct__: Complex, re: re, im: im}, :complex64), do: {re, im}

  defp number(n, dtype) when is_integer(n) do
    if Types.integer?(dtype), do: wrapped(n, dtype), else: n
  end

  defp number(n, _dtype), do: n

  defp wrapped(n, dtype) do
    {least, greatest} = Cast.range(dtype)
    Integer.mod(n - least, greatest - least + 1) + least
  end
end
