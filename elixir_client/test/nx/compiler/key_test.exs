if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.KeyTest do
    use ExUnit.Case, async: true

    alias Davit.Nx.Compiler.{Closure, Key, Name}

    doctest Name

    defp key(term), do: term |> Key.of() |> elem(0)
    defp closure(value), do: fn -> value end

    test "terms have one key if they are the same" do
      terms = [
        0.0,
        -0.0,
        0,
        1,
        1.0,
        [],
        [1],
        [1 | 2],
        {},
        {1},
        %{},
        %{a: 1},
        "a",
        :a,
        self(),
        make_ref(),
        <<1::3>>,
        <<1::4>>,
        String.duplicate("a", 100),
        String.duplicate("a", 101),
        &Nx.sin/1,
        &Nx.cos/1,
        closure(1),
        closure(1.0),
        closure(-0.0),
        closure(0.0),
        closure(closure(1)),
        Nx.tensor(1),
        Nx.tensor(1.0),
        Nx.tensor([1]),
        Nx.tensor([1], names: [:a]),
        Nx.vectorize(Nx.tensor([1]), :a),
        Nx.tensor(1, type: :u8),
        Nx.iota({100})
      ]

      keys = Enum.map(terms, &key/1)
      assert keys == Enum.map(terms, &key/1)
      # By their bits, as terms of OTP 25 do not tell 0.0 from -0.0.
      assert keys |> Enum.map(&:erlang.term_to_binary/1) |> Enum.uniq() |> length() == length(terms)
    end

    test "a key holds no function, and the tensors are beside it" do
      {a, b} = {Nx.tensor([1, 2]), Nx.tensor(3.0)}
      assert {key, [^a, ^b]} = Key.of({closure(a), %{b: [b]}})
      refute holds_function?(key)
    end

    defp holds_function?(fun) when is_function(fun), do: true

    defp holds_function?(tuple) when is_tuple(tuple),
      do: tuple |> Tuple.to_list() |> holds_function?()

    defp holds_function?([head | tail]), do: holds_function?(head) or holds_function?(tail)
    defp holds_function?(_), do: false

    test "a function is bound to its process where it holds a pid, a port or a reference, however deep" do
      for term <- [self(), make_ref(), hd(Port.list())],
          do: assert(Key.bound?([1, closure(%{a: {closure(term)}})]))

      refute Key.bound?([closure({1, "a", :b, 2.0, &Nx.sin/1}), nil, %{a: [Nx.tensor(1)]}])
    end

    # Public, so that the compiler does not know the values.
    def nested(a, b) do
      inner = fn z -> {a, b, z} end
      fn z -> {inner.(z), a} end
    end

    test "a function with other captured values, deep inside" do
      outer = nested(1, x: %{y: {2, "text"}})

      change = fn
        number when number in [1, 2] -> {:ok, number * 100}
        _ -> :error
      end

      changed = Closure.map(outer, change)
      assert changed.(5) == {{100, [x: %{y: {200, "text"}}], 5}, 100}
      assert outer.(5) == {{1, [x: %{y: {2, "text"}}], 5}, 1}
      assert Function.info(changed, :module) == Function.info(outer, :module)
      # What has nothing to change stays the same function.
      assert Closure.map(&String.upcase/1, change) == (&String.upcase/1)
      kept = closure({self(), make_ref()})
      assert Closure.map(kept, change) === kept
    end

    test "an evaluated function with other captured values" do
      {fun, _} = Code.eval_string("fn x -> {x, k} end", k: 1)
      assert Closure.map(fun, &if(&1 == 1, do: {:ok, 2}, else: :error)).(0) == {0, 2}
    end

    test "names are those that a person wrote" do
      assert Name.of(closure(1)) == "Davit.Nx.Compiler.KeyTest.fn in closure/1"
      assert Name.of(&Nx.sin/1) == "Nx.sin/1"
    end
  end
end
