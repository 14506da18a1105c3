defmodule Davit.Nx.Lowering.Elementwise do
  @moduledoc false
  # Operations that are one op of MLX, computed in the type of the output.

  alias Davit.Nx.{Lowering.Cast, Lowering.Comparison, Mlx, Types}

  @unary %{
    exp: "exp",
    log: "log",
    cos: "cos",
    sin: "sin",
    tan: "tan",
    cosh: "cosh",
    sinh: "sinh",
    tanh: "tanh",
    acos: "arccos",
    asin: "arcsin",
    atan: "arctan",
    acosh: "arccosh",
    asinh: "arcsinh",
    atanh: "arctanh",
    sqrt: "sqrt",
    rsqrt: "rsqrt",
    erf: "erf",
    negate: "negative",
    conjugate: "conjugate"
  }

  # Of integers they are the operand. Neither MLX nor Nx has them for complex numbers.
  @rounding %{ceil: "ceil", floor: "floor"}

  # Of complex numbers they are composed of other ops.
  @real %{expm1: "expm1", log1p: "log1p", sigmoid: "sigmoid"}

  @binary %{
    add: "add",
    subtract: "subtract",
    multiply: "multiply",
    divide: "divide",
    atan2: "arctan2",
    min: "minimum",
    max: "maximum",
    bitwise_and: "bitwise_and",
    bitwise_or: "bitwise_or",
    bitwise_xor: "bitwise_xor"
  }

  def names, do: Enum.flat_map([@unary, @rounding, @real, @binary], &Map.keys/1)

  # Nx computes these functions of complex numbers by formulas, which come to NaN where a part is infinite.
  def lower(name, {:complex64, _}, [z]) when name in [:acos, :asin, :atan, :atanh, :tanh] do
    z = Cast.to(z, :complex64)
    Mlx.where(infinite?(z), {:nan, :nan}, Mlx.unary(@unary[name], z))
  end

  def lower(name, {:complex64, _}, [z]) when name in [:acosh, :asinh] do
    z = Cast.to(z, :complex64)
    {re, im} = Mlx.parts(z)
    limit? = Mlx.both(Mlx.unary("isposinf", re, :bool), Mlx.unary("isfinite", im, :bool))
    Mlx.where(limit?, {:infinity, :math.pi() / 4}, Mlx.unary(@unary[name], z))
  end

  def lower(name, {dtype, _}, [a]) when is_map_key(@unary, name),
    do: Mlx.unary(@unary[name], Cast.to(a, dtype))

  def lower(name, {dtype, _}, [a]) when is_map_key(@rounding, name) do
    a = Cast.to(a, dtype)
    if Types.kind(dtype) == :float, do: Mlx.unary(@rounding[name], a), else: a
  end

  def lower(name, {dtype, _}, [a]) when is_map_key(@real, name) do
    a = Cast.to(a, dtype)
    if Types.kind(dtype) == :complex, do: complex(name, a), else: Mlx.unary(@real[name], a)
  end

  def lower(:atan2, {:complex64, _}, _arguments), do: :host

  # In their common type, which is int64, large integers of a uint64 would be negative.
  def lower(name, {dtype, _}, [a, b]) when name in [:min, :max] do
    {left, right} = {Cast.to(a, dtype), Cast.to(b, dtype)}
    comparison = if name == :min, do: :less, else: :greater

    if Comparison.mixed?(a, b),
      do: comparison |> Comparison.compare(a, b) |> Mlx.where(left, right),
      else: Mlx.binary(@binary[name], left, right)
  end

  def lower(name, {dtype, _}, [a, b]) when is_map_key(@binary, name),
    do: Mlx.binary(@binary[name], Cast.to(a, dtype), Cast.to(b, dtype))

  @doc "Whether a part of a complex number is infinite or NaN; a bool."
  def infinite?(z), do: Mlx.logical_not(Mlx.unary("isfinite", z, :bool))

  defp complex(:expm1, z), do: Mlx.subtract(Mlx.unary("exp", z), 1)
  defp complex(:log1p, z), do: Mlx.unary("log", Mlx.add(z, 1))

  defp complex(:sigmoid, z),
    do: Mlx.divide(1, Mlx.add(Mlx.unary("exp", Mlx.unary("negative", z)), 1))
end
