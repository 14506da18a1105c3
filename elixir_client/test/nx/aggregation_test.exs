if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.AggregationTest do
    # Reductions, windows, products of matrices, convolutions, Fourier transforms.
    use ExUnit.Case, async: true
    import Davit.Test.AgainstBinaryBackend
    @moduletag :engine

    defp ramp(shape, type),
      do:
        Nx.remainder(Nx.multiply(Nx.iota(shape, type: :s32), 7), 11)
        |> Nx.subtract(4)
        |> Nx.as_type(type)

    # In any type.
    defp small(shape, type), do: shape |> ramp({:s, 32}) |> Nx.abs() |> Nx.as_type(type)

    for name <- [:sum, :product, :reduce_max, :reduce_min, :all, :any] do
      test "#{name} over axes, of all types" do
        for type <- types(), options <- [[], [axes: [1]], [axes: [0, 2], keep_axes: true]] do
          assert_same(fn -> apply(Nx, unquote(name), [ramp({2, 3, 2}, type), options]) end,
            label: "#{inspect(type)} #{inspect(options)}",
            tolerance: 4
          )
        end
      end
    end

    for name <- [:reduce_max, :reduce_min, :all, :any] do
      test "#{name} with NaN and infinities" do
        for type <- floats(),
            do: assert_same(fn -> apply(Nx, unquote(name), [vector(numbers(type, 31), type)]) end)
      end
    end

    for name <- [:argmax, :argmin] do
      test "#{name} with both tie breaks, and NaN" do
        for type <- types(), tie_break <- [:low, :high] do
          options = [tie_break: tie_break]

          assert_same(fn ->
            apply(Nx, unquote(name), [vector(numbers(type, 32), type), options])
          end)

          assert_same(fn ->
            apply(Nx, unquote(name), [ramp({4, 6}, type), [axis: 1] ++ options])
          end)

          assert_same(fn ->
            apply(Nx, unquote(name), [ramp({4, 6}, type), [axis: 0, keep_axis: true] ++ options])
          end)
        end
      end
    end

    for name <- [:cumulative_sum, :cumulative_product, :cumulative_max, :cumulative_min] do
      test "#{name} in both directions" do
        for type <- types(), reverse <- [false, true] do
          assert_same(
            fn -> apply(Nx, unquote(name), [ramp({3, 4}, type), [axis: 1, reverse: reverse]]) end,
            label: inspect(type),
            tolerance: 2
          )
        end
      end
    end

    for name <- [:window_sum, :window_product, :window_max, :window_min] do
      test "#{name} with padding, strides and dilations" do
        options = [
          [],
          [padding: :same],
          [padding: [{1, 2}, {0, 1}], strides: [2, 1]],
          [window_dilations: [2, 1], strides: [1, 2]]
        ]

        for type <- types(), options <- options do
          assert_same(fn -> apply(Nx, unquote(name), [ramp({6, 5}, type), {2, 2}, options]) end,
            label: "#{inspect(type)} #{inspect(options)}",
            tolerance: 4
          )
        end
      end
    end

    for name <- [:window_scatter_max, :window_scatter_min] do
      test "#{name} with windows that overlap and padding" do
        for type <- [{:s, 32}, {:f, 32}, {:u, 8}] do
          assert_same(fn ->
            apply(Nx, unquote(name), [
              ramp({4, 6}, type),
              Nx.iota({2, 2}, type: type),
              0,
              {2, 3},
              [strides: [2, 3], padding: :valid]
            ])
          end)

          assert_same(fn ->
            apply(Nx, unquote(name), [
              ramp({5, 5}, type),
              Nx.iota({5, 5}, type: type),
              1,
              {3, 3},
              [strides: [1, 1], padding: :same]
            ])
          end)
        end
      end
    end

    test "dot of all pairs of types keeps the low bits of integers" do
      for a <- types(), b <- types() do
        tolerance = if a in [{:f, 16}, {:bf, 16}] or b in [{:f, 16}, {:bf, 16}], do: 4, else: 8

        assert_same(fn -> Nx.dot(small({3, 4}, a), small({4, 2}, b)) end,
          label: "#{inspect(a)} #{inspect(b)}",
          tolerance: tolerance
        )
      end
    end

    test "dot of large integers wraps" do
      for type <- integers() do
        assert_same(
          fn ->
            a = vector(numbers(type, 41), type)
            Nx.dot(Nx.reshape(a, {4, 6}), Nx.reshape(Nx.reverse(a), {6, 4}))
          end,
          label: inspect(type)
        )
      end
    end

    test "dot with several contracted and batch axes" do
      for type <- [{:s, 32}, {:f, 32}, {:c, 64}] do
        assert_same(fn ->
          Nx.dot(ramp({2, 3, 4, 5}, type), [1, 3], [0], ramp({2, 5, 3, 2}, type), [2, 1], [0])
        end)

        assert_same(fn -> Nx.dot(ramp({3}, type), [], ramp({2, 2}, type), []) end)
      end
    end

    test "conv with every option, of floats, integers' products and complex numbers" do
      options = [
        [],
        [padding: :same, strides: [2, 1]],
        [padding: [{1, 0}, {2, 1}], input_dilation: [2, 1], kernel_dilation: [1, 2]],
        [feature_group_size: 2],
        [batch_group_size: 2],
        [input_permutation: [0, 3, 1, 2], output_permutation: [0, 3, 1, 2]]
      ]

      for type <- [{:f, 32}, {:f, 64}, {:bf, 16}, {:c, 64}], options <- options do
        input = if options[:input_permutation], do: {2, 6, 5, 4}, else: {2, 4, 6, 5}
        channels = if options[:feature_group_size], do: 2, else: 4

        assert_same(fn -> Nx.conv(ramp(input, type), ramp({4, channels, 3, 2}, type), options) end,
          label: "#{inspect(type)} #{inspect(options)}",
          tolerance: 8
        )
      end
    end

    test "conv over one, three and four spatial axes" do
      for {input, kernel} <- [
            {{1, 2, 7}, {3, 2, 3}},
            {{1, 2, 3, 4, 3}, {2, 2, 2, 2, 2}},
            {{1, 1, 2, 3, 2, 3}, {2, 1, 2, 2, 1, 2}}
          ] do
        assert_same(fn -> Nx.conv(ramp(input, {:f, 32}), ramp(kernel, {:f, 32})) end)
      end
    end

    test "fft and ifft, longer and shorter, along an axis; of two axes, and of real numbers" do
      for name <- [:fft, :ifft], options <- [[], [length: 8], [length: 3], [axis: 0]] do
        assert_same(fn -> apply(Nx, name, [ramp({4, 5}, {:f, 32}), options]) end, tolerance: 10)
      end

      for name <- [:fft2, :ifft2, :rfft],
          do: assert_same(fn -> apply(Nx, name, [ramp({4, 6}, {:f, 32})]) end, tolerance: 20)

      assert_same(fn -> Nx.irfft(Nx.rfft(ramp({6}, {:f, 32}))) end, tolerance: 10)
    end

    test "triangular_solve with every option" do
      for lower <- [true, false],
          left_side <- [true, false],
          transform <- [:none, :transpose],
          type <- [{:f, 32}, {:f, 64}] do
        options = [lower: lower, left_side: left_side, transform_a: transform]

        assert_same(
          fn ->
            a = Nx.add(ramp({3, 3}, type), Nx.multiply(9, Nx.eye(3, type: type)))
            a = if lower, do: Nx.tril(a), else: Nx.triu(a)
            Nx.LinAlg.triangular_solve(a, ramp({3, 3}, type), options)
          end,
          label: inspect(options),
          tolerance: 4
        )
      end
    end

    test "lu and solve, of batches and of any real type" do
      for type <- [{:f, 32}, {:f, 64}, {:s, 32}, {:bf, 16}] do
        matrices = fn ->
          Nx.tensor([[[2, 1, 1], [4, -6, 0], [-2, 7, 2]], [[0, 2, 1], [1, 1, 0], [3, 0, 1]]],
            type: type
          )
        end

        assert_same(fn -> Nx.LinAlg.lu(matrices.()) end, label: inspect(type), tolerance: 4)
        b = fn shape -> ramp(shape, type) end

        assert_same(fn -> Nx.LinAlg.solve(matrices.(), b.({2, 3, 2})) end,
          label: inspect(type),
          tolerance: 20
        )

        assert_same(fn -> Nx.LinAlg.solve(matrices.()[0], b.({3})) end,
          label: inspect(type),
          tolerance: 20
        )
      end
    end

    test "reduce and window_reduce with a function" do
      assert_same(fn ->
        Nx.reduce(ramp({2, 3}, {:s, 32}), 1, [axes: [1]], &Nx.add(Nx.multiply(&1, 2), &2))
      end)

      assert_same(fn ->
        Nx.window_reduce(ramp({4, 4}, {:s, 32}), 0, {2, 2}, [padding: :same], &Nx.max(&1, &2))
      end)
    end

    test "types that MLX does not have are computed here" do
      for type <- [{:f, 8}, {:f8_e4m3fn, 8}, {:c, 128}] do
        assert_same(fn ->
          Nx.add(Nx.tensor([1, 0, 1], type: type), Nx.tensor([0, 1, 1], type: type))
        end)
      end
    end

    test "integers below a byte keep their low bits" do
      Nx.with_default_backend(Davit.Backend, fn ->
        s4 = Nx.tensor([7, -8, 3], type: {:s, 4})
        assert Nx.to_flat_list(Nx.add(s4, s4)) == [-2, 0, 6]
        assert Nx.to_flat_list(Nx.multiply(s4, Nx.tensor([3, 3, 2], type: {:s, 4}))) == [5, -8, 6]
        assert Nx.to_flat_list(Nx.less(s4, 0)) == [0, 1, 0]
        assert Nx.to_flat_list(Nx.population_count(s4)) == [3, 1, 2]
        assert Nx.to_flat_list(Nx.count_leading_zeros(s4)) == [1, 0, 2]
        assert Nx.to_number(Nx.sum(Nx.tensor([3, 3, 2], type: {:u, 2}))) == 8
        assert Nx.to_flat_list(Nx.as_type(Nx.tensor([17, 31]), {:u, 4})) == [1, 15]
      end)
    end
  end
end
