if Code.ensure_loaded?(Nx) do
  defmodule Davit.Test.AgainstBinaryBackend do
    @moduledoc false
    # Computes with Nx on Davit.Backend and on Nx.BinaryBackend and compares. Integers are to be the same; floats within some
    # units of their last digit, of which NaN and the infinities are to be the same.

    import ExUnit.Assertions

    @unsigned [u: 8, u: 16, u: 32, u: 64]
    @signed [s: 8, s: 16, s: 32, s: 64]
    @floats [f: 16, bf: 16, f: 32, f: 64]

    def integers, do: @unsigned ++ @signed
    def floats, do: @floats
    def types, do: integers() ++ @floats

    @doc "Runs `fun`, which makes and computes tensors, on both backends. Options: `:tolerance`, a factor; `:label`."
    def assert_same(fun, options \\ []) do
      actual =
        Nx.with_default_backend(Davit.Backend, fn -> fun.() |> list() |> Enum.map(&home/1) end)

      expected = Nx.with_default_backend(Nx.BinaryBackend, fn -> list(fun.()) end)
      assert length(actual) == length(expected)
      for {a, b} <- Enum.zip(actual, expected), do: same!(a, b, options)
    end

    defp list(tuple) when is_tuple(tuple), do: Tuple.to_list(tuple)
    defp list(tensor), do: [tensor]

    defp home(%{data: %Davit.Backend{}} = tensor), do: Nx.backend_transfer(tensor, Nx.BinaryBackend)

    defp same!(actual, expected, options) do
      assert {actual.type, actual.shape} == {expected.type, expected.shape}
      tolerance = tolerance(expected.type) * (options[:tolerance] || 1)

      wrong =
        Enum.zip(Nx.to_flat_list(actual), Nx.to_flat_list(expected))
        |> Enum.with_index()
        |> Enum.find(fn {{a, b}, _} -> not close?(a, b, tolerance) end)

      with {{a, b}, place} <- wrong do
        flunk(
          "#{options[:label]}: element #{place} of #{inspect(expected.type)} is #{inspect(a)}; " <>
            "expected #{inspect(b)}"
        )
      end
    end

    @doc "By which part of a number a result of a type may differ. Numbers below 0.001 count as that."
    def tolerance({:f, 64}), do: 4.0e-15
    def tolerance({:f, 32}), do: 1.0e-6
    def tolerance({:c, 64}), do: 2.0e-6
    def tolerance({:f, 16}), do: 2.0e-3
    # Nx.BinaryBackend cuts what does not fit, MLX rounds.
    def tolerance({:bf, 16}), do: 1.0 / 64
    def tolerance(_integer), do: 0

    defp close?(a, a, _tolerance), do: true

    defp close?(%Complex{} = a, %Complex{} = b, tolerance),
      do: close?(a.re, b.re, tolerance) and close?(a.im, b.im, tolerance)

    defp close?(a, b, tolerance) when is_number(a) and is_number(b),
      do: abs(a - b) <= tolerance * max(abs(b), 1.0e-3)

    defp close?(_, _, _), do: false

    @doc "Numbers of a type: its edges, and some drawn by the seed."
    def numbers({kind, bits}, seed) when kind in [:s, :u] do
      {least, greatest} =
        if kind == :u,
          do: {0, Bitwise.bsl(1, bits) - 1},
          else: {-Bitwise.bsl(1, bits - 1), Bitwise.bsl(1, bits - 1) - 1}

      edges = [0, 1, 2, 3, 7, greatest, greatest - 1, least, least + 1, div(greatest, 2)]
      drawn = draw(seed, 10, fn -> least + :rand.uniform(greatest - least + 1) - 1 end)
      small = draw(seed + 1, 4, fn -> max(least, :rand.uniform(21) - 11) end)
      edges ++ drawn ++ small
    end

    def numbers(type, seed) do
      largest = if type == {:f, 16}, do: 100.0, else: 1.0e4
      edges = [0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 3.7, :nan, :infinity, :neg_infinity, largest]
      edges ++ draw(seed, 8, fn -> :rand.normal() * 10 end) ++ draw(seed + 1, 4, &:rand.uniform/0)
    end

    @doc "Finite numbers of a type."
    def finite(type, seed), do: type |> numbers(seed) |> Enum.filter(&is_number/1)

    defp draw(seed, count, fun) do
      :rand.seed(:exsss, seed)
      for _ <- 1..count, do: fun.()
    end

    @doc "A vector of the numbers."
    def vector(numbers, type), do: Nx.tensor(numbers, type: type)

    @doc "All pairs of two lists, as two vectors."
    def pairs(left, right, left_type, right_type) do
      {a, b} = Enum.unzip(for a <- left, b <- right, do: {a, b})
      {vector(a, left_type), vector(b, right_type)}
    end
  end
end
