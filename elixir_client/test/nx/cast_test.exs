if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.CastTest do
    use ExUnit.Case, async: true
    import Davit.Test.AgainstBinaryBackend
    @moduletag :engine

    test "conversions between all types keep the low bits, and cut floats" do
      for from <- types(), to <- types() do
        numbers =
          if to in floats(),
            do: Enum.filter(numbers(from, 1), &small?(&1, to)),
            else: numbers(from, 1)

        assert_same(fn -> from |> then(&vector(numbers, &1)) |> Nx.as_type(to) end,
          label: "#{inspect(from)} as #{inspect(to)}"
        )
      end
    end

    # Nx.BinaryBackend has no result for what is too large for a float.
    defp small?(n, {:f, 16}), do: not is_number(n) or abs(n) < 60_000
    defp small?(_, _), do: true

    test "floats far beyond an integer's range keep the low bits of their integer part" do
      numbers = [
        300.0,
        -300.0,
        70_000.0,
        -70_000.0,
        5.0e9,
        -5.0e9,
        9.3e18,
        -9.3e18,
        1.9e19,
        3.0e25,
        -3.0e25,
        1.0e30
      ]

      for from <- [f: 32, f: 64], to <- integers() do
        assert_same(fn -> numbers |> vector(from) |> Nx.as_type(to) end,
          label: "#{inspect(from)} as #{inspect(to)}"
        )
      end
    end

    test "NaN becomes 0, an infinity the greatest or the least" do
      for from <- floats(), to <- integers() do
        assert_same(fn -> [:nan, :infinity, :neg_infinity] |> vector(from) |> Nx.as_type(to) end)
      end
    end

    test "complex numbers lose their imaginary part" do
      for to <- types() do
        assert_same(fn ->
          [Complex.new(1.5, 2), Complex.new(-3.7, 0)] |> vector({:c, 64}) |> Nx.as_type(to)
        end)
      end
    end

    test "bitcast keeps the bits, of scalars too" do
      for {bits, types} <- [
            {8, [u: 8, s: 8]},
            {16, [u: 16, f: 16, bf: 16]},
            {32, [s: 32, f: 32]},
            {64, [u: 64, f: 64]}
          ],
          to <- types do
        assert_same(fn -> Nx.bitcast(vector([1, 2, 77], {:u, bits}), to) end)
        assert_same(fn -> Nx.bitcast(Nx.tensor(77, type: {:u, bits}), to) end)
      end
    end
  end
end
