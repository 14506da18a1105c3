if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.MovementTest do
    # Shapes, slices, gathers, scatters and sorts.
    use ExUnit.Case, async: true
    import Davit.Test.AgainstBinaryBackend
    @moduletag :engine

    @all [{:u, 8}, {:s, 16}, {:u, 64}, {:bf, 16}, {:f, 32}, {:f, 64}, {:c, 64}]

    defp each(fun) do
      for type <- @all, do: assert_same(fn -> fun.(type) end, label: inspect(type))
    end

    defp grid(shape, type), do: Nx.iota(shape, type: type)

    test "reshape, squeeze, transpose, reverse, broadcast" do
      each(&Nx.reshape(grid({2, 3, 4}, &1), {4, 6}))
      each(&Nx.squeeze(grid({2, 1, 4}, &1)))
      each(&Nx.transpose(grid({2, 3, 4}, &1), axes: [2, 0, 1]))
      each(&Nx.reverse(grid({2, 3, 4}, &1), axes: [0, 2]))
      each(&Nx.broadcast(grid({3}, &1), {2, 3, 4}, axes: [1]))
      each(&Nx.broadcast(grid({2, 1}, &1), {2, 5}))
    end

    test "eye and iota of all types" do
      each(&Nx.eye({2, 3, 4}, type: &1))
      each(&Nx.iota({3, 4}, axis: 0, type: &1))
      each(&Nx.iota({300}, type: &1))
      each(&Nx.iota({}, type: &1))
    end

    test "pad with every sign of low, high and interior" do
      for low <- [-2, 0, 1], high <- [-1, 0, 2], interior <- [0, 1, 3] do
        each(&Nx.pad(grid({4, 3}, &1), Nx.tensor(7, type: &1), [{low, high, interior}, {1, -1, 2}]))
      end
    end

    test "slices with strides, and starts that are moved into the tensor" do
      each(&Nx.slice(grid({5, 6}, &1), [1, 2], [3, 4], strides: [2, 3]))
      each(&Nx.slice(grid({5, 6}, &1), [Nx.tensor(4), Nx.tensor(-3)], [3, 4], strides: [1, 2]))
      each(&Nx.slice(grid({5, 6}, &1), [Nx.tensor(2, type: :u64), 1], [2, 2]))
    end

    test "put_slice, at numbers and tensors" do
      each(&Nx.put_slice(grid({4, 5}, &1), [1, 2], grid({2, 3}, &1)))
      each(&Nx.put_slice(grid({4, 5}, &1), [Nx.tensor(9), Nx.tensor(-1)], grid({2, 3}, &1)))
    end

    test "concatenate and stack of several types" do
      for a <- @all, b <- @all do
        assert_same(fn -> Nx.concatenate([grid({2, 3}, a), grid({2, 2}, b)], axis: 1) end)
        assert_same(fn -> Nx.stack([grid({2, 3}, a), grid({2, 3}, b)], axis: 1) end)
      end
    end

    test "gather along any axes" do
      indices = [[0, 2], [1, 0], [1, 3]]
      each(&Nx.gather(grid({2, 4, 3}, &1), Nx.tensor(indices)))
      each(&Nx.gather(grid({2, 3, 4}, &1), Nx.tensor(indices), axes: [0, 2]))
      each(&Nx.gather(grid({4, 3}, &1), Nx.tensor([[[3], [1]], [[0], [0]]], type: :u8)))
    end

    test "indices of every integer type" do
      for type <- integers() do
        indices = fn list -> Nx.tensor(list, type: type) end
        assert_same(fn -> Nx.gather(grid({4, 3}, {:f, 32}), indices.([[3, 1], [0, 2]])) end)
        assert_same(fn -> Nx.take(grid({4, 3}, {:f, 32}), indices.([3, 0, 3])) end)
        assert_same(fn -> Nx.take_along_axis(grid({4, 3}, {:f, 32}), indices.([[3, 0, 1]])) end)

        assert_same(fn ->
          Nx.indexed_add(grid({4, 3}, {:f, 32}), indices.([[3, 0], [1, 2]]), Nx.tensor([1.0, 2.0]))
        end)

        assert_same(fn -> Nx.slice(grid({4, 3}, {:f, 32}), [indices.(2), 0], [2, 2]) end)
      end
    end

    test "take and take_along_axis" do
      each(&Nx.take(grid({3, 4}, &1), Nx.tensor([[2, 0], [1, 1]]), axis: 1))
      each(&Nx.take_along_axis(grid({2, 3}, &1), Nx.tensor([[2, 0, 0, 1], [1, 1, 2, 0]]), axis: 1))
    end

    test "indexed_add sums updates of one place, indexed_put keeps the last" do
      for type <- @all -- [{:c, 64}], name <- [:indexed_add, :indexed_put] do
        indices = [[0, 1], [2, 0], [0, 1], [0, 1]]

        assert_same(fn ->
          apply(Nx, name, [
            grid({3, 2}, type),
            Nx.tensor(indices),
            Nx.tensor([1, 2, 3, 4], type: type)
          ])
        end)

        assert_same(fn ->
          apply(Nx, name, [
            grid({3, 2, 2}, type),
            Nx.tensor([[1], [0], [1]]),
            grid({3, 3, 2}, type),
            [axes: [1]]
          ])
        end)
      end
    end

    test "indices beyond an axis are refused where they are at hand" do
      message = "index 3 is out of bounds for axis 0 in shape {3, 2}"

      Nx.with_default_backend(Davit.Backend, fn ->
        for compute <- [
              &Nx.gather(&1, Nx.tensor([[3]])),
              &Nx.indexed_put(&1, Nx.tensor([[3]]), Nx.tensor([[1, 2]])),
              &Nx.take(&1, Nx.tensor([3]))
            ] do
          assert_raise ArgumentError, message, fn -> compute.(Nx.iota({3, 2})) end
        end
      end)
    end

    test "sorts are stable in both directions, for all types, NaN above all" do
      for type <- types(), direction <- [:asc, :desc], name <- [:sort, :argsort] do
        numbers = numbers(type, 21)
        numbers = numbers ++ Enum.take(numbers, 6)

        assert_same(
          fn -> apply(Nx, name, [vector(numbers, type), [direction: direction, stable: true]]) end,
          label: "#{name} #{direction} #{inspect(type)}"
        )

        assert_same(fn ->
          apply(Nx, name, [Nx.remainder(grid({5, 4}, type), 3), [axis: 0, direction: direction]])
        end)
      end
    end

    test "top_k" do
      for type <- types() do
        assert_same(fn -> Nx.top_k(vector(finite(type, 22), type), k: 4) end, label: inspect(type))
      end
    end
  end
end
