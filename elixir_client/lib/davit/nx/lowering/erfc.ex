defmodule Davit.Nx.Lowering.Erfc do
  @moduledoc false
  # The complement of the error function, with a small relative error also where it is nearly 0: by the rational
  # approximations of W. J. Cody (Rational Chebyshev approximations for the error function, 1969).

  alias Davit.Nx.Mlx

  # Numerators and denominators, from the highest power down: up to 4, and beyond it.
  @near [
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3
  ]
  @near_divisor [
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3
  ]
  @far [
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4
  ]
  @far_divisor [
    1.0,
    2.56852019228982242,
    1.87295284992346725,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3
  ]
  @root 0.5641895835477563

  def value(a) do
    x = Mlx.unary("abs", a)
    near = Mlx.minimum(x, 4.0)
    far = Mlx.maximum(x, 4.0)
    tail = Mlx.where(Mlx.less_equal(x, 4.0), near(near), far(far)) |> Mlx.multiply(decay(x))
    tail = Mlx.where(Mlx.unary("isinf", a, :bool), 0.0, tail)
    small = Mlx.subtract(1.0, Mlx.unary("erf", a))
    tail = Mlx.where(Mlx.less(a, 0.0), Mlx.subtract(2.0, tail), tail)
    Mlx.where(Mlx.less_equal(x, 0.46875), small, tail)
  end

  defp near(x), do: Mlx.divide(Mlx.polynomial(@near, x), Mlx.polynomial(@near_divisor, x))

  defp far(x) do
    z = Mlx.divide(1.0, Mlx.multiply(x, x))
    ratio = Mlx.divide(Mlx.polynomial(@far, z), Mlx.polynomial(@far_divisor, z))
    Mlx.divide(Mlx.subtract(@root, Mlx.multiply(z, ratio)), x)
  end

  # exp(-x²). The square is split in one without rounding and a small rest.
  defp decay(x) do
    short = Mlx.divide(Mlx.unary("floor", Mlx.multiply(x, 16.0)), 16.0)
    rest = Mlx.multiply(Mlx.subtract(x, short), Mlx.add(x, short))
    Mlx.multiply(falling(Mlx.multiply(short, short)), falling(rest))
  end

  defp falling(x), do: Mlx.unary("exp", Mlx.unary("negative", x))
end
