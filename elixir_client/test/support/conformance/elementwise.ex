if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Elementwise do
    @moduledoc false
    # Arithmetic, comparisons, bits and conversions, on the edges of all types.

    import Davit.Conformance.Case
    import Davit.Test.AgainstBinaryBackend, only: [types: 0, integers: 0, floats: 0, finite: 2]

    def cases do
      modular() ++ comparisons() ++ divisions() ++ bits() ++ unary() ++ choices() ++ casts()
    end

    defp edge_pairs(types) do
      for {a, b} <- type_pairs(types), do: {column(a), b |> edges() |> tensor(b)}
    end

    defp modular do
      for name <- [:add, :subtract, :multiply, :min, :max] do
        numbers = if name in [:min, :max], do: types(), else: integers()
        pairs(name, edge_pairs(numbers), &apply(Nx, name, [&1, &2]))
      end ++
        for name <- [:add, :subtract, :multiply, :divide, :atan2] do
          numbers = &Enum.take(finite(&1, 3), -6)
          pairs = for {a, b} <- type_pairs(floats()), do: {column(a, numbers), column(b, numbers)}
          pairs("#{name} of floats", pairs, &apply(Nx, name, [&1, &2]))
        end
    end

    defp comparisons do
      names = [:equal, :not_equal, :less, :less_equal, :greater, :greater_equal]

      for name <- names ++ [:logical_and, :logical_or, :logical_xor],
          do: pairs(name, edge_pairs(types()), &apply(Nx, name, [&1, &2]))
    end

    defp divisions do
      divisors = fn type -> type |> edges() |> Enum.reject(&(&1 == 0)) |> tensor(type) end
      pairs = for {a, b} <- type_pairs(integers()), do: {column(a), divisors.(b)}
      dividends = [0.0, 1.5, -1.5, 7.25, -7.25, 0.1]
      divisors = [2.0, -2.0, 0.75, -3.5]

      floats =
        for type <- floats(), do: {column(type, fn _ -> dividends end), tensor(divisors, type)}

      for(name <- [:quotient, :remainder], do: pairs(name, pairs, &apply(Nx, name, [&1, &2]))) ++
        [
          pairs("remainder of floats", floats, &Nx.remainder/2),
          pairs("divide integers", for({a, b} <- pairs, do: {a, b}), &Nx.divide/2),
          pairs(
            "pow of integers",
            for(type <- integers(), do: {column(type), tensor([0, 1, 2, 3, 5, 17], {:u, 8})}),
            &Nx.pow/2
          ),
          pairs(
            "pow of floats",
            for(
              type <- floats(),
              do:
                {column(type, fn _ -> [0.5, 1.0, 2.0, 3.5] end),
                 tensor([-1.5, 0.0, 0.5, 2.0], type)}
            ),
            &Nx.pow/2,
            tolerance: 4
          )
        ]
    end

    defp bits do
      shifts =
        for {kind, width} <- integers(),
            amounts = [0, 1, 3, width - 1, width, width + 1, 100],
            do: {column({kind, width}), tensor(amounts, {:u, 8})}

      for(
        name <- [:bitwise_and, :bitwise_or, :bitwise_xor],
        do: pairs(name, edge_pairs(integers()), &apply(Nx, name, [&1, &2]))
      ) ++
        for(
          name <- [:left_shift, :right_shift],
          do: pairs(name, shifts, &apply(Nx, name, [&1, &2]))
        ) ++
        for name <- [:population_count, :count_leading_zeros, :bitwise_not] do
          each(name, for(type <- integers(), do: tensor(edges(type), type)), &apply(Nx, name, [&1]))
        end
    end

    defp unary do
      all = for type <- types(), do: tensor(edges(type), type)
      halves = [0.5, 1.5, -1.5, 2.5, 0.25, -0.75]
      finite = for type <- floats(), do: tensor(halves ++ Enum.take(finite(type, 2), -6), type)
      integers = for type <- integers(), do: tensor(edges(type), type)

      for(
        name <- [:sign, :abs, :negate],
        do: each(name, integers ++ finite, &apply(Nx, name, [&1]))
      ) ++
        for(name <- [:ceil, :floor, :round], do: each(name, finite, &apply(Nx, name, [&1]))) ++
        for(
          name <- [:is_nan, :is_infinity, :logical_not],
          do: each(name, all, &apply(Nx, name, [&1]))
        )
    end

    defp choices do
      all = for type <- types(), do: tensor(edges(type), type)

      [
        each("clip", all, &Nx.clip(&1, 1, 5)),
        each("select", all, &Nx.select(&1, Nx.iota({12}, type: :s16), Nx.tensor(-1.5))),
        new("literals beyond 2^53", &{Nx.add(&1, 9_007_199_254_740_993), Nx.add(&2, 2 ** 64 - 1)}, [
          tensor([1, -1], {:s, 64}),
          tensor([0, 3], {:u, 64})
        ])
      ]
    end

    defp casts do
      # Nx.BinaryBackend has no result for what is too large for f16.
      small? = fn n -> not is_number(n) or abs(n) < 60_000 end

      for to <- types() do
        values =
          for from <- types() do
            numbers = if to == {:f, 16}, do: Enum.filter(edges(from), small?), else: edges(from)
            tensor(numbers, from)
          end

        each("as_type #{Nx.Type.to_string(to)}", values, &Nx.as_type(&1, to))
      end ++
        [
          each(
            "floats beyond an integer's range",
            for(
              from <- [f: 32, f: 64],
              do: tensor([300.0, -70_000.0, 5.0e9, -9.3e18, 1.9e19, 3.0e25, -1.0e30], from)
            ),
            fn a -> integers() |> Enum.map(&Nx.as_type(a, &1)) |> List.to_tuple() end
          ),
          each(
            "complex numbers as others",
            [tensor([Complex.new(1.5, 2), Complex.new(-3.7, 0)], {:c, 64})],
            fn z -> types() |> Enum.map(&Nx.as_type(z, &1)) |> List.to_tuple() end
          ),
          each("bitcast", [tensor([1, -1, 0x3FC00000], {:s, 32})], &Nx.bitcast(&1, :f32))
        ]
    end
  end
end
