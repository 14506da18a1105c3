defmodule Davit.Nx.Lowering.Special do
  @moduledoc false
  # Functions that MLX does not have, or not in every type: half precision is computed in single.

  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  def names, do: [:cbrt, :erfc, :erf_inv]

  def lower(name, {dtype, _}, [a]) do
    if Types.kind(dtype) == :complex,
      do: complex(name, Cast.to(a, dtype)),
      else: name |> real(Cast.to(a, Types.wide(dtype))) |> Cast.to(dtype)
  end

  # A root by logarithms, made exact by one step of Newton's.
  defp real(:cbrt, a) do
    positive = Mlx.unary("abs", a)
    root = Mlx.power(positive, 1 / 3)
    square = Mlx.multiply(root, root)
    excess = Mlx.subtract(Mlx.multiply(square, root), positive)
    step = Mlx.divide(excess, Mlx.multiply(square, 3.0))
    usable = Mlx.unary("isfinite", step, :bool)
    root = Mlx.subtract(root, Mlx.where(usable, step, 0.0))
    Mlx.where(Mlx.less(a, 0.0), Mlx.unary("negative", root), root)
  end

  defp real(:erfc, a), do: Davit.Nx.Lowering.Erfc.value(a)

  # MLX's has the precision of float32, which steps of Newton's double.
  defp real(:erf_inv, a) do
    root = Mlx.unary("erfinv", a)
    steps = if Mlx.dtype(a) == :float64, do: 2, else: 1
    Enum.reduce(List.duplicate(a, steps), root, &nearer/2)
  end

  defp nearer(a, root) do
    error = Mlx.subtract(Mlx.unary("erf", root), a)

    slope =
      root |> Mlx.multiply(root) |> then(&Mlx.unary("negative", &1)) |> then(&Mlx.unary("exp", &1))

    step = Mlx.divide(error, Mlx.multiply(slope, 2 / :math.sqrt(:math.pi())))
    Mlx.where(Mlx.unary("isfinite", step, :bool), Mlx.subtract(root, step), root)
  end

  # The principal root: a third of the angle.
  defp complex(:cbrt, z) do
    {re, im} = {Mlx.unary("real", z, :float32), Mlx.unary("imag", z, :float32)}
    size = real(:cbrt, Mlx.unary("abs", z, :float32))
    angle = "arctan2" |> Mlx.binary(im, re) |> Mlx.divide(3.0)

    Mlx.complex(
      "cos" |> Mlx.unary(angle) |> Mlx.multiply(size),
      "sin" |> Mlx.unary(angle) |> Mlx.multiply(size)
    )
  end

  defp complex(_, _), do: :host
end
