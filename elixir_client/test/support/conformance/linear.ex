if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Linear do
    @moduledoc false
    # Products, convolutions, Fourier transforms, linear algebra.

    import Davit.Conformance.Case
    import Davit.Test.AgainstBinaryBackend, only: [types: 0, integers: 0, numbers: 2]

    @convolutions [
      plain: [],
      strides: [padding: :same, strides: [2, 1]],
      dilations: [padding: [{1, 0}, {2, 1}], input_dilation: [2, 1], kernel_dilation: [1, 2]],
      features: [feature_group_size: 2],
      batches: [batch_group_size: 2],
      permuted: [input_permutation: [0, 3, 1, 2], output_permutation: [0, 3, 1, 2]]
    ]

    def cases, do: dots() ++ convolutions() ++ fourier() ++ solvers() ++ factorizations()

    defp dots do
      small = fn shape, type -> shape |> ramp({:s, 32}) |> Nx.abs() |> Nx.as_type(type) end
      pairs = for {a, b} <- type_pairs(types()), do: {small.({3, 4}, a), small.({4, 2}, b)}

      large =
        for type <- integers() do
          numbers = type |> numbers(41) |> tensor(type)
          {Nx.reshape(numbers, {4, 6}), numbers |> Nx.reverse() |> Nx.reshape({6, 4})}
        end

      some = [{:s, 32}, {:f, 32}, {:c, 64}]

      [
        pairs("dot", pairs, &Nx.dot/2, tolerance: 8),
        pairs("dot of large integers", large, &Nx.dot/2),
        pairs(
          "dot with batches",
          for(type <- some, do: {ramp({2, 3, 4, 5}, type), ramp({2, 5, 3, 2}, type)}),
          &Nx.dot(&1, [1, 3], [0], &2, [2, 1], [0])
        ),
        pairs(
          "dot of nothing, outer and inner",
          for(type <- some, do: {ramp({3}, type), ramp({2, 3}, type)}),
          &{Nx.dot(&1, [], &2, []), Nx.outer(&1, &2), Nx.dot(&2, &1)}
        )
      ]
    end

    defp convolutions do
      for {name, options} <- @convolutions do
        input = if name == :permuted, do: {2, 6, 5, 4}, else: {2, 4, 6, 5}
        channels = if name == :features, do: 2, else: 4

        pairs =
          for type <- [{:f, 32}, {:f, 64}, {:bf, 16}, {:c, 64}],
              do: {ramp(input, type), ramp({4, channels, 3, 2}, type)}

        pairs("conv #{name}", pairs, &Nx.conv(&1, &2, options), tolerance: 8)
      end ++
        [
          pairs(
            "conv of other ranks",
            [
              {ramp({1, 2, 7}, {:f, 32}), ramp({3, 2, 3}, {:f, 32})},
              {ramp({1, 2, 3, 4, 3}, {:f, 32}), ramp({2, 2, 2, 2, 2}, {:f, 32})},
              {ramp({1, 1, 2, 3, 2, 3}, {:f, 32}), ramp({2, 1, 2, 2, 1, 2}, {:f, 32})}
            ],
            &Nx.conv/2
          )
        ]
    end

    defp fourier do
      rows = ramp({4, 5}, {:f, 32})
      even = ramp({4, 6}, {:f, 32})

      [
        new("fft", &transforms(&1, :fft), [rows], tolerance: 10),
        new("ifft", &transforms(&1, :ifft), [rows], tolerance: 10),
        new("fft2", &{Nx.fft2(&1), Nx.ifft2(&1), Nx.rfft(&1)}, [even], tolerance: 20),
        new("irfft", &Nx.irfft(Nx.rfft(&1)), [ramp({6}, {:f, 32})], tolerance: 10)
      ]
    end

    defp transforms(a, name) do
      for options <- [[], [length: 8], [length: 3], [axis: 0]] do
        apply(Nx, name, [a, options])
      end
      |> List.to_tuple()
    end

    defp solvers do
      matrices = Nx.tensor([[[2, 1, 1], [4, -6, 0], [-2, 7, 2]], [[0, 2, 1], [1, 1, 0], [3, 0, 1]]])

      triangular =
        for lower <- [true, false], left_side <- [true, false], transform <- [:none, :transpose] do
          options = [lower: lower, left_side: left_side, transform_a: transform]
          names = for {_, value} <- options, do: value

          pairs =
            for type <- [{:f, 32}, {:f, 64}] do
              a = Nx.add(ramp({3, 3}, type), Nx.multiply(9, Nx.eye(3, type: type)))
              {if(lower, do: Nx.tril(a), else: Nx.triu(a)), ramp({3, 3}, type)}
            end

          solve = &Nx.LinAlg.triangular_solve(&1, &2, options)
          pairs("triangular_solve #{Enum.join(names, " ")}", pairs, solve, tolerance: 4)
        end

      solve =
        for type <- [{:f, 32}, {:f, 64}, {:s, 32}],
            do: {Nx.as_type(matrices, type), ramp({2, 3, 2}, type)}

      triangular ++ [pairs("solve", solve, &Nx.LinAlg.solve/2, tolerance: 20)]
    end

    defp factorizations do
      square = Nx.tensor([[4.0, 1.0, -2.0], [1.0, 5.0, 3.0], [-2.0, 3.0, 9.0]])
      tall = ramp({4, 3}, {:f, 32}) |> Nx.add(Nx.multiply(6, Nx.eye({4, 3})))

      [
        each("lu", [square, Nx.as_type(square, {:f, 64})], &Nx.LinAlg.lu/1, tolerance: 4),
        each("cholesky", [square], &Nx.LinAlg.cholesky/1, tolerance: 8),
        each("qr", [tall, square], &Nx.LinAlg.qr/1, tolerance: 400),
        each("eigh", [square], &Nx.LinAlg.eigh/1, tolerance: 400),
        each("svd", [tall], &Nx.LinAlg.svd(&1, full_matrices?: false), tolerance: 400),
        each(
          "inverse and determinant",
          [square],
          &{Nx.LinAlg.invert(&1), Nx.LinAlg.determinant(&1)},
          tolerance: 20
        ),
        each("norms and powers", [square], &{Nx.LinAlg.norm(&1), Nx.LinAlg.matrix_power(&1, 3)},
          tolerance: 8
        ),
        new("all_close", &{Nx.all_close(&1, &2), Nx.all_close(&1, &1)}, [
          square,
          Nx.add(square, 0.1)
        ])
      ]
    end
  end
end
