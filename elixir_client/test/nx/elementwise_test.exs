if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.ElementwiseTest do
    use ExUnit.Case, async: true
    import Davit.Test.AgainstBinaryBackend
    @moduletag :engine

    @modular [:add, :subtract, :multiply, :bitwise_and, :bitwise_or, :bitwise_xor, :min, :max]
    @comparisons [:equal, :not_equal, :less, :less_equal, :greater, :greater_equal]
    @logic [:logical_and, :logical_or, :logical_xor]

    defp binary(name, left, right, a, b) do
      assert_same(
        fn ->
          {x, y} = pairs(a, b, left, right)
          apply(Nx, name, [x, y])
        end,
        label: "#{name} of #{inspect(left)} and #{inspect(right)}"
      )
    end

    for name <- @modular do
      test "#{name} of integers of all types keeps the low bits" do
        for left <- integers(),
            right <- integers(),
            do: binary(unquote(name), left, right, numbers(left, 1), numbers(right, 2))
      end
    end

    for name <- @comparisons ++ @logic do
      test "#{name} compares numbers of all types" do
        for left <- types(),
            right <- types(),
            do: binary(unquote(name), left, right, numbers(left, 3), numbers(right, 4))
      end
    end

    for name <- [:quotient, :remainder] do
      test "#{name} of integers is cut towards zero, for all signs" do
        for left <- integers(), right <- integers() do
          divisors = right |> numbers(5) |> Enum.reject(&(&1 == 0))
          binary(unquote(name), left, right, numbers(left, 6), divisors)
        end
      end
    end

    test "a division by zero is all bits, the remainder the dividend; the least by -1 is itself" do
      Nx.with_default_backend(Davit.Backend, fn ->
        for {kind, bits} = type <- integers() do
          a = Nx.tensor([7, 100], type: type)
          all = if kind == :u, do: Bitwise.bsl(1, bits) - 1, else: -1
          assert Nx.to_flat_list(Nx.quotient(a, Nx.tensor(0, type: type))) == [all, all]
          assert Nx.to_flat_list(Nx.remainder(a, Nx.tensor(0, type: type))) == [7, 100]
        end

        for bits <- [8, 16, 32, 64] do
          least = -Bitwise.bsl(1, bits - 1)
          {a, b} = {Nx.tensor(least, type: {:s, bits}), Nx.tensor(-1, type: {:s, bits})}
          assert Nx.to_number(Nx.quotient(a, b)) == least
          assert Nx.to_number(Nx.remainder(a, b)) == 0
        end
      end)
    end

    test "remainder of floats has the sign of the dividend" do
      for type <- floats() do
        divisors = type |> finite(7) |> Enum.reject(&(&1 == 0.0))

        dividends = [0.0, 1.5, -1.5, 7.25, -7.25, 0.1, -0.1]
        assert divisors != []
        binary(:remainder, type, type, dividends, [2.0, -2.0, 0.75, -3.5] ++ divisors)
      end
    end

    for name <- [:left_shift, :right_shift] do
      test "#{name} beyond the width shifts all bits out" do
        for {_, bits} = left <- integers(), right <- integers() do
          amounts = [0, 1, 3, bits - 1, bits, bits + 1, 100]
          binary(unquote(name), left, right, numbers(left, 8), amounts)
        end
      end
    end

    test "pow of integers keeps the low bits" do
      for left <- integers(), do: binary(:pow, left, {:u, 8}, numbers(left, 9), [0, 1, 2, 3, 5, 17])
    end

    for name <- [:population_count, :count_leading_zeros, :bitwise_not, :sign, :abs, :negate] do
      test "#{name} of integers" do
        for type <- integers() do
          assert_same(fn -> apply(Nx, unquote(name), [vector(numbers(type, 10), type)]) end,
            label: inspect(type)
          )
        end
      end
    end

    for name <- [:ceil, :floor, :round, :is_nan, :is_infinity] do
      test "#{name} of all types" do
        for type <- types() do
          numbers = if unquote(name) == :round, do: finite(type, 11), else: numbers(type, 11)
          numbers = if unquote(name) in [:ceil, :floor], do: finite(type, 11), else: numbers
          halves = if type in floats(), do: [1.5, -1.5, 0.25, -0.75, 2.5], else: []

          assert_same(fn -> apply(Nx, unquote(name), [vector(numbers ++ halves, type)]) end,
            label: inspect(type)
          )
        end
      end
    end

    for {name, numbers} <- Davit.Conformance.Functions.numbers() do
      test "#{name} of floats has the precision of their type" do
        for type <- floats() do
          assert_same(fn -> apply(Nx, unquote(name), [vector(unquote(numbers), type)]) end,
            label: "#{unquote(name)} of #{inspect(type)}",
            tolerance: 4
          )
        end
      end
    end

    test "64-bit literals beyond 2^53 keep all digits" do
      assert_same(fn -> Nx.add(Nx.tensor([1, -1], type: :s64), 9_007_199_254_740_993) end)
      assert_same(fn -> Nx.add(Nx.tensor([0, 3], type: :u64), 18_446_744_073_709_551_615) end)
    end

    test "clip, with NaN and bounds of other types" do
      for type <- types() do
        assert_same(fn -> Nx.clip(vector(numbers(type, 12), type), 1, 5) end, label: inspect(type))
      end
    end

    test "select takes any number as a condition" do
      for type <- types() do
        assert_same(fn ->
          condition = vector(numbers(type, 13), type)

          Nx.select(
            condition,
            Nx.iota(Nx.shape(condition), type: :s16),
            Nx.tensor(-1.5, type: :f32)
          )
        end)
      end
    end
  end
end
