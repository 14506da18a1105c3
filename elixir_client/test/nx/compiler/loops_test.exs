if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.LoopsTest do
    use ExUnit.Case, async: true
    import Nx.Defn
    import Davit.Conformance.Control, only: [nested: 2, swapped: 2]
    import Davit.Test.AgainstEvaluator

    @moduletag :engine

    defn up_to(n) do
      while {i = 0, x = 1.0, n}, i < n do
        {i + 1, x * 1.5 + i, n}
      end
    end

    defn down_to(n) do
      while {i = 10, x = 1, n}, n < i do
        {i - 1, x + i * n, n}
      end
    end

    test "a loop that counts to a number that is an argument" do
      for n <- [7, 1, 0, -3], do: assert_same(&up_to/1, [n])
      for n <- [7, 9, 10, 20, -2], do: assert_same(&down_to/1, [n])
      # Other types than the counter's are not known to be reached.
      for type <- [:s8, :s64, :u8, :f32], do: assert_same(&up_to/1, [Nx.tensor(5, type: type)])
    end

    defn from(first, n) do
      while {i = first, x = first * 0, n}, i < n do
        {i + 1, x + i, n}
      end
    end

    test "a loop that counts from an argument" do
      for {first, n} <- [{3, 8}, {8, 3}, {-4, 4}], do: assert_same(&from/2, [first, n])
      assert_same(&from/2, [Nx.tensor(1, type: :s64), Nx.tensor(5, type: :s8)])
    end

    defn ranges(x) do
      x =
        while x, i <- 0..9//3 do
          x * 2 + i
        end

      x =
        while x, i <- 5..-5//-2 do
          x + i
        end

      while x, _ <- 1..0//1 do
        x * 1000
      end
    end

    defn over_tensor(x) do
      while sum = 0, row <- x do
        sum + Nx.sum(row)
      end
    end

    test "loops over ranges and tensors" do
      assert_same(&ranges/1, [1.5])
      assert_same(&over_tensor/1, [Nx.iota({4, 3})])
    end

    defn moving_limit(n) do
      while {i = 0, n}, i < n do
        {i + 1, n - 1}
      end
    end

    defn halting(x) do
      {_, x, _} =
        while {i = 0, x, limit = 100.0}, i < 50 and x < limit do
          {i + 1, x * 2, limit}
        end

      x
    end

    defn constant_only(x) do
      while {x, flag = 0}, flag do
        {x, flag}
      end
    end

    defn unchanging_limit(x, bound) do
      while {x, bound}, Nx.any(x < bound) do
        {x + 1, bound}
      end
    end

    test "loops that end otherwise" do
      assert_same(&moving_limit/1, [9])
      assert_same(&halting/1, [1.0])
      assert_same(&constant_only/1, [3])
      assert_same(&unchanging_limit/2, [Nx.tensor([1, 5]), Nx.tensor([4, 2])])
    end

    defn counter_alone(n) do
      while {i = 0, n}, i < n do
        {i + 1, n}
      end
    end

    test "loops in loops, with carries that change places, and with nothing but a counter" do
      for n <- 0..4, do: assert_same(&nested/2, [0, n])
      assert_same(&swapped/2, [1.0, 2.0])
      for n <- [5, 0, -5], do: assert_same(&counter_alone/1, [n])
    end

    @int8 Nx.tensor(100, type: :s8)
    defn wrapping() do
      while {i = @int8, n = 0}, i > 0 do
        {i + 10, n + 1}
      end
    end

    test "a counter that leaves its type goes on as the type does" do
      assert_same(&wrapping/0, [])
    end

    test "a loop that counts runs as one whose iterations are known" do
      compiled(&up_to/1, [3])

      programs =
        for {{_, {:program, _, _}}, program} <- :ets.tab2list(Davit.Nx.Compiler.Cache), do: program

      program =
        Enum.find(
          programs,
          &Enum.any?(&1.sites, fn site -> site.label =~ "LoopsTest.up_to/1.for" end)
        )

      assert program != nil
    end
  end
end
