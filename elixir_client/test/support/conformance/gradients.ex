if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Gradients do
    @moduledoc false
    # Derivatives by Nx.Defn.grad.

    import Davit.Conformance.Case, only: [new: 3, new: 4, ramp: 2]
    import Nx.Defn

    @functions [:exp, :log, :sigmoid, :sin, :cos, :tan, :tanh, :sinh, :cosh, :asinh, :atan, :sqrt] ++
                 [:rsqrt, :cbrt, :erf, :erfc, :expm1, :log1p, :abs]

    def cases do
      x = Nx.tensor([0.5, 1.25, 2.0])
      matrix = Nx.tensor([[4.0, 1.0], [1.0, 3.0]])
      images = ramp({1, 2, 5, 5}, {:f, 32})
      kernel = ramp({3, 2, 2, 2}, {:f, 32})

      for name <- @functions do
        new("grad of #{name}", fn x -> grad(x, &Nx.sum(apply(Nx, name, [&1]))) end, [x],
          tolerance: 8
        )
      end ++
        [
          new(
            "grad of a power",
            fn x, y -> grad({x, y}, fn {x, y} -> Nx.sum(Nx.pow(x, y)) end) end,
            [
              x,
              Nx.reverse(x)
            ],
            tolerance: 8
          ),
          new(
            "grad of a quotient",
            fn x, y -> grad({x, y}, fn {x, y} -> Nx.sum(Nx.divide(x, y)) end) end,
            [
              x,
              Nx.reverse(x)
            ],
            tolerance: 8
          ),
          new(
            "grad of a product of matrices",
            fn a, b -> grad(a, &Nx.sum(Nx.tanh(Nx.dot(&1, b)))) end,
            [ramp({3, 4}, {:f, 32}), Nx.divide(ramp({4, 2}, {:f, 32}), 10)],
            tolerance: 40
          ),
          new(
            "grad of a convolution",
            fn a, k ->
              grad({a, k}, fn {a, k} -> Nx.sum(Nx.pow(Nx.conv(a, k, padding: :same), 2)) end)
            end,
            [images, kernel],
            tolerance: 8
          ),
          new(
            "grad of a window",
            fn a -> grad(a, &Nx.sum(Nx.pow(Nx.window_max(&1, {1, 1, 2, 2}), 2))) end,
            [
              images
            ]
          ),
          new(
            "grad of a reduction",
            fn a ->
              grad(a, &Nx.sum(Nx.multiply(Nx.reduce_max(&1, axes: [1]), Nx.mean(&1, axes: [1]))))
            end,
            [ramp({3, 5}, {:f, 32})],
            tolerance: 8
          ),
          new("grad of a gather", fn a, at -> grad(a, &Nx.sum(Nx.pow(Nx.take(&1, at), 2))) end, [
            x,
            Nx.tensor([2, 0, 2])
          ]),
          new(
            "grad of a sort",
            fn a -> grad(a, &Nx.sum(Nx.multiply(Nx.sort(&1), Nx.iota({3})))) end,
            [
              Nx.tensor([2.0, -1.0, 0.5])
            ]
          ),
          new("grad of a slice", fn a -> grad(a, &Nx.sum(Nx.pow(Nx.slice(&1, [1], [2]), 3))) end, [
            x
          ]),
          new("grad of softmax", &softmax_gradient/1, [x], tolerance: 8),
          new("grad of a cholesky", fn a -> grad(a, &Nx.sum(Nx.LinAlg.cholesky(&1))) end, [matrix],
            tolerance: 40
          ),
          new(
            "grad of a solve",
            fn a -> grad(a, &Nx.sum(Nx.LinAlg.solve(&1, Nx.tensor([1.0, 2.0])))) end,
            [
              matrix
            ],
            tolerance: 40
          ),
          new("grad of a loop", &loop_gradient/2, [x, 0.5], tolerance: 40),
          new("grad of a loop, the other branch", &loop_gradient/2, [x, -0.5], tolerance: 40),
          new("grad of a custom gradient", &custom/1, [x]),
          new(
            "grad of stop_grad",
            fn x ->
              grad(x, &Nx.sum(&1 |> Nx.sin() |> Nx.Defn.Kernel.stop_grad() |> Nx.multiply(&1)))
            end,
            [x]
          ),
          new("value_and_grad", fn x -> value_and_grad(x, &Nx.sum(Nx.pow(&1, 3))) end, [x]),
          new("second derivative", fn x -> grad(x, &grad(&1, fn x -> Nx.pow(x, 4) end)) end, [1.5])
        ]
    end

    defn softmax_gradient(x) do
      grad(x, fn x ->
        e = Nx.exp(x - Nx.reduce_max(x))
        Nx.sum(e / Nx.sum(e) * Nx.iota({3}))
      end)
    end

    defn loop_gradient(x, k) do
      grad(x, fn x ->
        {_, y} =
          while {i = 0, y = Nx.sum(x * k)}, i < 3 do
            {i + 1, y * 1.5}
          end

        if y > 0, do: y * Nx.sum(Nx.tanh(x)), else: -y
      end)
    end

    defn custom(x) do
      grad(x, fn x -> Nx.sum(custom_grad(Nx.sin(x), [x], fn g -> [g * 10] end)) end)
    end
  end
end
