if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Movement do
    @moduledoc false
    # Shapes, slices, gathers, scatters and sorts.

    import Davit.Conformance.Case
    import Davit.Test.AgainstBinaryBackend, only: [types: 0, integers: 0, numbers: 2, finite: 2]

    @all [{:u, 8}, {:s, 16}, {:u, 64}, {:bf, 16}, {:f, 32}, {:f, 64}, {:c, 64}]

    defp grids(shape, types \\ @all), do: for(type <- types, do: Nx.iota(shape, type: type))

    def cases, do: shapes() ++ pads() ++ slices() ++ joins() ++ gathers() ++ scatters() ++ sorts()

    defp shapes do
      [
        each("reshape", grids({2, 3, 4}), &Nx.reshape(&1, {4, 6})),
        each("squeeze", grids({2, 1, 4}), &Nx.squeeze/1),
        each("transpose", grids({2, 3, 4}), &Nx.transpose(&1, axes: [2, 0, 1])),
        each("reverse", grids({2, 3, 4}), &Nx.reverse(&1, axes: [0, 2])),
        each("broadcast along an axis", grids({3}), &Nx.broadcast(&1, {2, 3, 4}, axes: [1])),
        each("broadcast an axis of one", grids({2, 1}), &Nx.broadcast(&1, {2, 5})),
        each("tile", grids({2, 2}), &Nx.tile(&1, [2, 1, 3])),
        each("diagonals", grids({3, 3}), &{Nx.take_diagonal(&1), Nx.tril(&1), Nx.triu(&1)}),
        new("creation", &creation/1, [Nx.tensor(0, type: :s8)]),
        new("vectorized", &{Nx.sum(&1), Nx.add(&1, &2), Nx.outer(&1, &2)}, [
          Nx.iota({2, 3}, type: :f32) |> Nx.vectorize(:rows),
          Nx.tensor([1.0, 2.0, 4.0]) |> Nx.vectorize(:columns)
        ])
      ]
    end

    # Added to an argument: what depends on none is a constant.
    defp creation(zero) do
      for type <- @all do
        {Nx.add(Nx.eye({2, 3}, type: type), zero),
         Nx.add(Nx.iota({3, 4}, axis: 0, type: type), zero), Nx.add(Nx.iota({5}, type: type), zero)}
      end
      |> List.to_tuple()
    end

    defp pads do
      for low <- [-2, 0, 1], high <- [-1, 2], interior <- [0, 1, 3] do
        edges = [{low, high, interior}, {1, -1, 2}]

        each(
          "pad #{low} #{high} #{interior}",
          grids({4, 3}, [{:s, 16}, {:f, 32}, {:c, 64}]),
          fn a ->
            Nx.pad(a, Nx.as_type(7, a.type), edges)
          end
        )
      end
    end

    defp slices do
      at = [Nx.tensor(4), Nx.tensor(-3)]

      [
        each("slice with strides", grids({5, 6}), &Nx.slice(&1, [1, 2], [3, 4], strides: [2, 3])),
        new(
          "slice at tensors",
          fn tuple, row, column ->
            for a <- Tuple.to_list(tuple) do
              {Nx.slice(a, [row, column], [3, 4], strides: [1, 2]),
               Nx.slice(a, [2, column], [2, 2])}
            end
            |> List.to_tuple()
          end,
          [List.to_tuple(grids({5, 6})) | at]
        ),
        pairs("put_slice", Enum.zip(grids({4, 5}), grids({2, 3})), &Nx.put_slice(&1, [1, 2], &2)),
        new("put_slice at tensors", &Nx.put_slice(&1, [&3, &4], &2), [
          Nx.iota({4, 5}),
          Nx.iota({2, 3}) | at
        ])
      ]
    end

    defp joins do
      # MLX has no c128.
      types = for a <- @all, b <- @all, Nx.Type.merge(a, b) != {:c, 128}, do: {a, b}
      pairs = for {a, b} <- types, do: {Nx.iota({2, 3}, type: a), Nx.iota({2, 2}, type: b)}
      same = for {a, b} <- types, do: {Nx.iota({2, 2}, type: a), Nx.iota({2, 2}, type: b)}

      [
        pairs("concatenate", pairs, &Nx.concatenate([&1, &2], axis: 1)),
        pairs("stack", same, &Nx.stack([&1, &2], axis: 1))
      ]
    end

    defp gathers do
      pairs = [[0, 2], [1, 0], [1, 3]]
      all = List.to_tuple(grids({2, 4, 3}))

      of_all = fn fun ->
        fn all, at -> all |> Tuple.to_list() |> Enum.map(&fun.(&1, at)) |> List.to_tuple() end
      end

      [
        new("gather", of_all.(&Nx.gather/2), [all, Nx.tensor(pairs)]),
        new("gather along axes", of_all.(&Nx.gather(&1, &2, axes: [0, 2])), [
          all,
          Nx.tensor([[1, 0], [0, 1], [1, 2]])
        ]),
        new("take", of_all.(&Nx.take(&1, &2, axis: 1)), [all, Nx.tensor([[2, 0], [1, 1]])]),
        new("take_along_axis", of_all.(&Nx.take_along_axis(&1, &2, axis: 1)), [
          List.to_tuple(grids({2, 3})),
          Nx.tensor([[2, 0, 0, 1], [1, 1, 2, 0]])
        ]),
        each(
          "indices of every type",
          for(type <- integers(), do: tensor([[3, 1], [0, 2]], type)),
          fn at ->
            a = Nx.iota({4, 3}, type: :f32)
            {Nx.gather(a, at), Nx.take(a, at), Nx.indexed_add(a, at, Nx.tensor([1.0, 2.0]))}
          end
        )
      ]
    end

    defp scatters do
      for name <- [:indexed_add, :indexed_put], type <- @all -- [{:c, 64}] do
        label = "#{name} #{Nx.Type.to_string(type)}"

        new(
          label,
          fn a, b, at, updates, updates_b ->
            {apply(Nx, name, [a, at, updates]),
             apply(Nx, name, [b, Nx.tensor([[1], [0], [1]]), updates_b, [axes: [1]]])}
          end,
          [
            Nx.iota({3, 2}, type: type),
            Nx.iota({3, 2, 2}, type: type),
            Nx.tensor([[0, 1], [2, 0], [0, 1], [0, 1]]),
            tensor([1, 2, 3, 4], type),
            Nx.iota({3, 3, 2}, type: type)
          ]
        )
      end
    end

    defp sorts do
      for name <- [:sort, :argsort], direction <- [:asc, :desc] do
        vectors =
          for type <- types() do
            numbers = type |> numbers(21) |> Enum.take(16)
            tensor(numbers ++ Enum.take(numbers, 6), type)
          end

        each("#{name} #{direction}", vectors, fn vector ->
          apply(Nx, name, [vector, [direction: direction, stable: true]])
        end)
      end ++
        [
          each("sort along an axis", grids({5, 4}), &Nx.sort(&1, axis: 0, direction: :desc))
          |> real(),
          each(
            "top_k",
            for(type <- types(), do: tensor(finite(type, 22), type)),
            &Nx.top_k(&1, k: 4)
          ),
          each("median and mode", grids({7}, [{:s, 32}, {:f, 32}]), &{Nx.median(&1), Nx.mode(&1)})
        ]
    end

    # Complex numbers have no order.
    defp real(example) do
      [tuple] = example.arguments
      tensors = for tensor <- Tuple.to_list(tuple), tensor.type != {:c, 64}, do: tensor
      %{example | arguments: [List.to_tuple(tensors)]}
    end
  end
end
