defmodule Davit.Nx.Lowering.Reduction do
  @moduledoc false
  # Reductions over axes; over all of them without the option `:axes`. The output's shape says whether they are kept. Half precision
  # is summed in single.

  alias Davit.Nx.{Lowering.Cast, Lowering.Comparison, Lowering.Elementwise, Mlx, Types}

  @arithmetic %{sum: "sum", product: "prod"}
  @extreme %{reduce_max: "max", reduce_min: "min"}
  @logic %{all: "all", any: "any"}

  def names,
    do: Enum.flat_map([@arithmetic, @extreme, @logic], &Map.keys/1) ++ [:argmax, :argmin]

  def lower(name, {dtype, shape}, [a, options]) when is_map_key(@arithmetic, name) do
    # MLX widens small integers by itself; the low bits are the same.
    a = Cast.to(a, accumulator(dtype))
    result = arithmetic(@arithmetic[name], a, axes(a, options), kept?(a, shape))
    result |> Cast.to(dtype) |> Mlx.reshape(shape)
  end

  def lower(name, {dtype, shape}, [a, options]) when is_map_key(@extreme, name) do
    result = Mlx.reduce(@extreme[name], a, axes(a, options), nil, kept?(a, shape))
    result |> Cast.to(dtype) |> Mlx.reshape(shape)
  end

  def lower(name, {dtype, shape}, [a, options]) when is_map_key(@logic, name) do
    true? = Comparison.true?(a)

    @logic[name]
    |> Mlx.reduce(true?, axes(a, options), :bool, kept?(a, shape))
    |> Mlx.cast(dtype)
    |> Mlx.reshape(shape)
  end

  def lower(name, {dtype, shape}, [a, options]) when name in [:argmax, :argmin] do
    {a, axis} =
      case options[:axis] do
        nil -> {Mlx.reshape(a, {Davit.Type.elements(Mlx.shape(a))}), 0}
        axis -> {a, axis}
      end

    name |> place(a, axis, options[:tie_break] || :low) |> Mlx.cast(dtype) |> Mlx.reshape(shape)
  end

  @doc "The dtype in which a dtype is summed. MLX sums integers below 32 bits in 32."
  def accumulator(dtype) do
    case {Types.kind(dtype), Types.bits(dtype)} do
      {:signed, bits} when bits < 32 -> :int32
      {:unsigned, bits} when bits < 32 -> :uint32
      _ -> Types.wide(dtype)
    end
  end

  @doc "A sum or product over axes, which go or are kept."
  def arithmetic(op, a, axes, keep? \\ false)

  def arithmetic("prod", %{type: {:complex64, _}} = z, axes, keep?) do
    # Nx multiplies 1 with each number by the formula for complex numbers, which comes to NaN where a part is infinite.
    infinite? = Mlx.reduce("any", Elementwise.infinite?(z), axes, nil, keep?)
    Mlx.where(infinite?, {:nan, :nan}, Mlx.reduce("prod", z, axes, nil, keep?))
  end

  def arithmetic(op, a, axes, keep?), do: Mlx.reduce(op, a, axes, nil, keep?)

  # Of a scalar there is no axis to keep.
  defp kept?(a, shape), do: tuple_size(shape) == Mlx.rank(a)

  defp axes(a, options), do: Enum.sort(options[:axes] || Mlx.axes(a))

  # Where NaN is among the elements, its last place.
  defp place(name, a, axis, tie_break) do
    op = Atom.to_string(name)
    place = if tie_break == :low, do: Mlx.arg(op, a, axis), else: last_place(op, a, axis)

    if Types.kind(Mlx.dtype(a)) == :float do
      nan? = Mlx.unary("isnan", a, :bool)

      Mlx.where(
        Mlx.reduce("any", nan?, [axis]),
        last_place("argmax", Mlx.cast(nan?, :uint8), axis),
        place
      )
    else
      place
    end
  end

  @doc "The last place of the greatest (`argmax`) or least (`argmin`) element along an axis."
  def last_place(op, a, axis) do
    Mlx.subtract(elem(Mlx.shape(a), axis) - 1, Mlx.arg(op, Mlx.flip(a, [axis]), axis))
  end
end
