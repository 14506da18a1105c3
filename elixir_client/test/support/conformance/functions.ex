if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Functions do
    @moduledoc false
    # Functions of real and complex numbers.

    import Davit.Conformance.Case
    import Davit.Test.AgainstBinaryBackend, only: [floats: 0]

    @functions [
      exp: [-20.0, -1.0, 0.0, 0.5, 3.0, 11.0],
      expm1: [-2.0, 0.0, 0.5, 3.0],
      log: [0.001, 0.5, 1.0, 3.0, 900.0],
      log1p: [0.5, 1.0, 3.0, 900.0],
      sigmoid: [-20.0, -1.0, 0.0, 0.5, 9.0],
      cos: [-9.0, -1.0, 0.0, 0.5, 3.0],
      sin: [-9.0, -1.0, 0.0, 0.5, 3.0],
      tan: [-1.0, 0.0, 0.5, 3.0],
      cosh: [-3.0, 0.0, 2.0],
      sinh: [-3.0, 0.0, 2.0],
      tanh: [-3.0, 0.0, 0.25, 2.0],
      acos: [-0.9, 0.0, 0.5],
      asin: [-0.9, 0.0, 0.5],
      atan: [-90.0, 0.0, 0.5],
      acosh: [1.25, 3.0, 90.0],
      asinh: [-3.0, 0.0, 2.0],
      atanh: [-0.9, 0.0, 0.5],
      sqrt: [0.0, 0.25, 2.0, 900.0],
      rsqrt: [0.25, 2.0, 900.0],
      cbrt: [-27.0, -2.0, 0.0, 0.001, 8.0, 1000.0],
      erf: [-3.0, -0.25, 0.0, 0.5, 2.0],
      erfc: [-3.0, -0.25, 0.0, 0.5, 0.75, 2.0, 4.5, 8.0],
      erf_inv: [-0.999, -0.5, 0.0, 0.25, 0.75, 0.99]
    ]

    @complex [:exp, :log, :sin, :cos, :tanh, :sqrt, :sigmoid, :abs, :conjugate, :real, :imag] ++
               [:negate, :phase]

    @doc "Functions of real numbers by their names in Nx, each with numbers that it is defined for."
    @spec numbers() :: [{atom, [float]}]
    def numbers, do: @functions

    def cases do
      complex = tensor([Complex.new(1, 2), Complex.new(-0.5, 0.25), Complex.new(3, -1)], {:c, 64})

      for {name, numbers} <- @functions do
        values = for type <- floats(), do: tensor(numbers, type)
        each(name, values, &apply(Nx, name, [&1]), tolerance: 4)
      end ++
        for name <- @complex do
          each("#{name} of complex", [complex], &apply(Nx, name, [&1]), tolerance: 4)
        end ++
        for name <- [:add, :subtract, :multiply, :divide, :pow, :equal] do
          pairs = [{complex, Nx.reverse(complex)}, {complex, tensor([1.5, 2.0, -3.0], {:f, 32})}]
          pairs("#{name} of complex", pairs, &apply(Nx, name, [&1, &2]), tolerance: 8)
        end
    end
  end
end
