if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Aggregation do
    @moduledoc false
    # Reductions, cumulative operations, windows.

    import Davit.Conformance.Case
    import Davit.Test.AgainstBinaryBackend, only: [types: 0, floats: 0]

    @axes [[], [axes: [1]], [axes: [0, 2], keep_axes: true]]
    @windows [
      [],
      [padding: :same],
      [padding: [{1, 2}, {0, 1}], strides: [2, 1]],
      [window_dilations: [2, 1], strides: [1, 2]]
    ]

    def cases, do: reductions() ++ places() ++ cumulative() ++ windows() ++ scatters()

    defp ramps(shape, types \\ types()), do: for(type <- types, do: ramp(shape, type))

    defp with_each(options, fun), do: options |> Enum.map(fun) |> List.to_tuple()

    defp reductions do
      for name <- [:sum, :product, :reduce_max, :reduce_min, :all, :any] do
        each(name, ramps({2, 3, 2}), fn a -> with_each(@axes, &apply(Nx, name, [a, &1])) end,
          tolerance: 4
        )
      end ++
        for name <- [:reduce_max, :reduce_min, :all, :any] do
          each(
            "#{name} of all numbers",
            for(type <- floats(), do: tensor(edges(type), type)),
            fn a ->
              apply(Nx, name, [a])
            end
          )
        end ++
        [
          each(
            "statistics",
            ramps({3, 4}, [{:s, 32}, {:f, 32}, {:f, 64}]),
            fn a ->
              {Nx.mean(a, axes: [1]), Nx.variance(a), Nx.standard_deviation(a, axes: [0]),
               Nx.logsumexp(Nx.as_type(a, {:f, 32}), axes: [1])}
            end,
            tolerance: 4
          )
        ]
    end

    defp places do
      for name <- [:argmax, :argmin], tie_break <- [:low, :high] do
        each("#{name} #{tie_break}", ramps({4, 6}), fn a ->
          with_each([[], [axis: 1], [axis: 0, keep_axis: true]], fn options ->
            apply(Nx, name, [a, [tie_break: tie_break] ++ options])
          end)
        end)
      end
    end

    defp cumulative do
      for name <- [:cumulative_sum, :cumulative_product, :cumulative_max, :cumulative_min] do
        each(
          name,
          ramps({3, 4}),
          fn a ->
            with_each([false, true], &apply(Nx, name, [a, [axis: 1, reverse: &1]]))
          end,
          tolerance: 2
        )
      end
    end

    defp windows do
      for name <- [:window_sum, :window_product, :window_max, :window_min] do
        each(
          name,
          ramps({6, 5}),
          fn a ->
            with_each(@windows, &apply(Nx, name, [a, {2, 2}, &1]))
          end,
          tolerance: 4
        )
      end ++
        [each("window_mean", ramps({6, 5}, floats()), &Nx.window_mean(&1, {3, 2}), tolerance: 4)]
    end

    defp scatters do
      for name <- [:window_scatter_max, :window_scatter_min] do
        pairs =
          for type <- [{:s, 32}, {:f, 32}, {:u, 8}],
              do: {ramp({4, 6}, type), Nx.iota({2, 2}, type: type)}

        pairs(name, pairs, fn a, source ->
          same = Nx.iota({4, 6}, type: a.type)

          {apply(Nx, name, [a, source, 0, {2, 3}, [strides: [2, 3], padding: :valid]]),
           apply(Nx, name, [a, same, 1, {3, 3}, [strides: [1, 1], padding: :same]])}
        end)
      end
    end
  end
end
