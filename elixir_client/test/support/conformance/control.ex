if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Control do
    @moduledoc false
    # Loops, conditions and hooks.

    import Davit.Conformance.Case, only: [new: 3, new: 4]
    import Davit.Test.AgainstEvaluator, only: [watch: 2]
    import Nx.Defn

    def cases, do: loops() ++ conditions() ++ hooks()

    defp loops do
      bits = Nx.tensor(100, type: :s8)

      for(n <- [7, 1, 0, -3], do: new("count up to #{n}", &up_to/1, [n])) ++
        for(n <- [7, 10, 20], do: new("count down to #{n}", &down_to/1, [n])) ++
        [
          new("ranges", &ranges/1, [1.5]),
          new("over a tensor", &over_tensor/1, [Nx.iota({4, 3})]),
          new("a limit that moves", &moving_limit/1, [9]),
          new("until a value is reached", &halting/1, [1.0]),
          new("while any is below", &any_below/2, [Nx.tensor([1, 5]), Nx.tensor([4, 2])]),
          new("a loop in a loop", &nested/2, [0, 4]),
          new("carries that change places", &swapped/2, [1.0, 2.0]),
          new("a counter that leaves its type", &wrapping/1, [bits]),
          new("a vectorized loop", &doubled_below/1, [Nx.vectorize(Nx.tensor([1, 5, 9]), :v)])
        ]
    end

    defn up_to(n) do
      {_, x, _} =
        while {i = 0, x = 1.0, n}, i < n do
          {i + 1, x * 1.5 + i, n}
        end

      x
    end

    defn down_to(n) do
      {_, x, _} =
        while {i = 10, x = 1, n}, n < i do
          {i - 1, x + i * n, n}
        end

      x
    end

    defn ranges(x) do
      x =
        while x, i <- 0..9//3 do
          x * 2 + i
        end

      while x, i <- 5..-5//-2 do
        x + i
      end
    end

    defn over_tensor(x) do
      while sum = 0, row <- x do
        sum + Nx.sum(row)
      end
    end

    defn moving_limit(n) do
      while {i = 0, n}, i < n do
        {i + 1, n - 1}
      end
    end

    defn halting(x) do
      {_, x} =
        while {i = 0, x}, i < 50 and x < 100 do
          {i + 1, x * 2}
        end

      x
    end

    defn any_below(x, bound) do
      {x, _} =
        while {x, bound}, Nx.any(x < bound) do
          {x + 1, bound}
        end

      x
    end

    defn nested(x, n) do
      {_, x, _} =
        while {i = 0, x, n}, i < n do
          {_, inner, _, _} =
            while {j = 0, x, i, n}, j < i do
              {j + 1, x + i * 10 + j, i, n}
            end

          {i + 1, inner, n}
        end

      x
    end

    defn swapped(a, b) do
      {_, a, b} =
        while {i = 0, a, b}, i < 3 do
          {i + 1, b, a}
        end

      {a, b}
    end

    defn wrapping(i) do
      {_, n} =
        while {i, n = 0}, i > 0 do
          {i + 10, n + 1}
        end

      n
    end

    defn doubled_below(x) do
      while x, x < 8 do
        x + 2
      end
    end

    defp conditions do
      for(a <- [-1, 0, 5], do: new("branch for #{a}", &branches/2, [a, 3])) ++
        for(x <- [2.0, -2.0], do: new("if of #{x}", &either/1, [x])) ++
        [
          new("a condition in a loop", &alternating/1, [1]),
          new("a vectorized condition", &either/1, [Nx.vectorize(Nx.tensor([1.0, -1.0]), :v)]),
          new("branches of containers", &containers/1, [3])
        ]
    end

    defn branches(a, b) do
      cond do
        a == -1 -> b * 2
        a == 0 -> b - 10
        true -> a + b
      end
    end

    defn(either(x), do: if(x > 0, do: Nx.exp(x), else: x * x))

    defn alternating(x) do
      {_, x} =
        while {i = 0, x}, i < 6 do
          {i + 1, if(Nx.remainder(i, 2) == 0, do: x * 3, else: x - 1)}
        end

      x
    end

    defn containers(x) do
      if x > 2, do: {x, %{a: x * 2}}, else: {x - 1, %{a: x}}
    end

    defp hooks do
      [
        new("a hook", &hooked/1, [Nx.tensor([1.5, 2.0])], hooks: [:sum]),
        new("a hook in a loop", &factorial/1, [5.0], hooks: [:factorial]),
        new("a hook in the branch that is taken", &hooked_branches/1, [2], hooks: [:taken, :other]),
        new("a hook in the branch that is not taken", &hooked_branches/1, [-2],
          hooks: [:taken, :other]
        ),
        new("hooks in order", &ordered/1, [1], hooks: [:first, :second, :third])
      ]
    end

    defn(hooked(x), do: watch(Nx.sum(x), :sum) * 2)

    defn factorial(x) do
      {factorial, _} =
        while {factorial = 1.0, x}, x > 1 do
          watch({factorial * x, x - 1}, :factorial)
        end

      factorial
    end

    defn(hooked_branches(x), do: if(x > 0, do: watch(x * 3, :taken), else: watch(x - 1, :other)))

    defn ordered(x) do
      x = watch(x + 1, :first)
      x = watch(x * 10, :second)
      watch(x - 5, :third)
    end
  end
end
