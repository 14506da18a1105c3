defmodule Davit.Nx.Lowering.Fourier do
  @moduledoc false
  # Fourier transforms along an axis, in complex64. Parts that are no larger than the option `:eps` become 0.

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering.Cast, Mlx}

  def names, do: [:fft, :ifft]

  def lower(name, {:complex64, _} = out, [a, options]) do
    attributes = %{"n" => options[:length], "axis" => options[:axis]}
    operand = Cast.to(a, :complex64)
    "fft.#{name}" |> Expression.node([operand], attributes, out) |> cleaned(options[:eps])
  end

  def lower(_name, _out, _arguments), do: :host

  defp cleaned(z, eps) when eps in [nil, 0, 0.0], do: z

  defp cleaned(z, eps) do
    {re, im} = Mlx.parts(z)
    Mlx.complex(without_small(re, eps), without_small(im, eps))
  end

  defp without_small(part, eps),
    do: Mlx.where(Mlx.less_equal(Mlx.unary("abs", part), eps), 0.0, part)
end
