defmodule Davit.Nx.Lowering.Special do
  @moduledoc false
  # Functions that MLX does not have, or not in every type: half precision is computed in single.

  alias Davit.Nx.{Lowering.Cast, Mlx, Types}

  # From the highest power down.
  @erf_inv_middle [
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941
  ]
  @erf_inv_tail [
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682
  ]

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

  # The approximation that Nx uses (M. Giles, Approximating the erfinv function, 2010), in float64 as there: Nx.Random draws
  # the same numbers on every backend.
  defp real(:erf_inv, a) do
    x = Mlx.cast(a, :float64)
    w = Mlx.unary("negative", Mlx.unary("log", Mlx.multiply(Mlx.subtract(1, x), Mlx.add(1, x))))
    middle = Mlx.polynomial(@erf_inv_middle, Mlx.subtract(w, 2.5))
    tail = Mlx.polynomial(@erf_inv_tail, Mlx.subtract(Mlx.unary("sqrt", w), 3.0))
    root = Mlx.multiply(Mlx.where(Mlx.less(w, 5.0), middle, tail), x)
    limit = Mlx.multiply(x, :infinity)
    Mlx.where(Mlx.equal(Mlx.unary("abs", x), 1.0), limit, root)
  end

  # The principal root: a third of the angle.
  defp complex(:cbrt, z) do
    {re, im} = Mlx.parts(z)
    size = real(:cbrt, Mlx.unary("abs", z, :float32))
    angle = "arctan2" |> Mlx.binary(im, re) |> Mlx.divide(3.0)

    {sine, cosine} = {Mlx.unary("sin", angle), Mlx.unary("cos", angle)}
    # An infinite size at the angle 0 has no imaginary part.
    Mlx.complex(
      Mlx.multiply(cosine, size),
      Mlx.where(Mlx.equal(sine, 0.0), 0.0, Mlx.multiply(sine, size))
    )
  end

  defp complex(_, _), do: :host
end
