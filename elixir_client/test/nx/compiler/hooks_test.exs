if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.HooksTest do
    use ExUnit.Case, async: true
    import Nx.Defn
    import Davit.Test.AgainstEvaluator
    alias Davit.Test.Pair

    @moduletag :engine

    # A function that is made while tracing holds the pid of the process that traces.
    defp to_self(tag), do: sender(self(), tag)

    defn(default(a, b), do: watch(a + b, :default, to_self(:default)))

    test "a hook has a function of its own, or one by its name" do
      assert_same(&default/2, [2, 3])
      assert sent(:default) == [5, 5]

      for tag <- [:one, :another] do
        assert compiled(&default/2, [2, 3], hooks: %{default: sender(self(), tag)})
               |> Nx.to_number() == 5

        assert sent(tag) == [5]
      end

      assert sent(:default) == []
    end

    test "a function that was made in the process at hand is called, whichever traced before" do
      compiled(&default/2, [1, 1])
      parent = self()

      Task.await(
        Task.async(fn ->
          compiled(&default/2, [2, 2])
          send(parent, {:in_task, sent(:default)})
        end)
      )

      assert_received {:in_task, [4]}
      assert sent(:default) == [2]
    end

    defn(optional(a, b), do: watch(a + b, :optional))

    test "a hook without a function is only there for those who ask" do
      assert compiled(&optional/2, [2, 3]) |> Nx.to_number() == 5

      compiled(&optional/2, [2, 3],
        hooks: %{optional: sender(self(), :tag), other: sender(self(), :tag)}
      )

      assert sent(:tag) == [5]

      {:ok, ref} = Davit.Hooks.subscribe("optional")
      compiled(&optional/2, [4, 5])
      assert_received {:davit_hook, ^ref, %{name: "optional"} = event}
      assert Davit.Hooks.Event.to_list(event) == 9
      Davit.Hooks.unsubscribe(ref)
    end

    defn factorial(x) do
      {factorial, _} =
        while {factorial = 1.0, x}, Nx.greater(x, 1) do
          watch({factorial * x, x - 1}, :factorial)
        end

      factorial
    end

    test "in a loop it is called at each iteration" do
      assert compiled(&factorial/1, [5], hooks: %{factorial: sender(self(), :tag)})
             |> Nx.to_number() == 120.0

      assert sent(:tag) == [{5.0, 4}, {20.0, 3}, {60.0, 2}, {120.0, 1}]
    end

    defn branches(a, b) do
      cond do
        a == -1 -> watch(b * 2, :cond)
        a == 1 -> watch(b / 2, :cond)
        true -> watch(Nx.pow(b, 2), :cond)
      end
    end

    test "of a condition only that of the branch that is taken" do
      for {a, result} <- [{1, 2.0}, {-1, 8.0}, {0, 16.0}] do
        assert compiled(&branches/2, [a, 4], hooks: %{cond: sender(self(), :tag)}) |> Nx.to_number() ==
                 result

        assert [value] = sent(:tag)
        assert value == result
      end
    end

    defn predicates(x) do
      cond do
        watch(x > 10, :first) -> watch(x, :then)
        watch(x > 5, :second) -> x * 2
        true -> watch(x * 3, :last)
      end
    end

    test "predicates are computed until one holds" do
      names = [:first, :second, :then, :last]
      hooks = Map.new(names, &{&1, sender(self(), &1)})

      for {x, fired} <- [
            {11, [:first, :then]},
            {6, [:first, :second]},
            {1, [:first, :second, :last]}
          ] do
        assert_same(&predicates/1, [x])
        compiled(&predicates/1, [x], hooks: hooks)
        assert for(name <- names, sent(name) != [], do: name) |> Enum.sort() == Enum.sort(fired)
      end
    end

    defn shared(p, a, b) do
      sum = watch(a + b, :sum)
      left = if p, do: sum, else: -sum
      right = if p, do: sum * 2, else: sum
      left * right
    end

    defn partly(k, x) do
      y = watch(x * 2, :y)

      cond do
        k == 0 -> y
        k == 1 -> y + 1
        true -> x
      end
    end

    test "a value that several branches use is there once, and not where none needs it" do
      hooks = %{sum: sender(self(), :sum), y: sender(self(), :y)}
      for p <- [0, 1], do: compiled(&shared/3, [p, 4, 5], hooks: hooks)
      assert sent(:sum) == [9, 9]

      for k <- 0..2, do: assert_same(&partly/2, [k, 3])
      for k <- 0..2, do: compiled(&partly/2, [k, 3], hooks: hooks)
      assert sent(:y) == [6, 6]
    end

    defn(container(value), do: watch(value, :container))

    test "it gets the container that it is on" do
      pair = %Pair{left: Nx.tensor([1, 2], names: [:i]), right: 2, tag: :kept}
      assert_same(&container/1, [pair])
      compiled(&container/1, [pair], hooks: %{container: sender(self(), :tag)})
      assert_received {:tag, %Pair{left: left, right: right, tag: :kept}}
      assert {left, right} == {pair.left, Nx.tensor(2)}
    end

    defn two_containers(a, b) do
      {a, b} = watch({a, b}, :pair)
      %{sum: sum} = watch(%{sum: a + b}, :pair)
      sum
    end

    test "hooks of one name get each its own container" do
      compiled(&two_containers/2, [1, 2], hooks: %{pair: sender(self(), :tag)})
      assert sent(:tag) == [{1, 2}, %{sum: 3}]
    end

    defn(raising(a, b), do: watch(a + b, fn _ -> raise "boom" end))

    test "what a hook raises comes from the call, and what it throws and exits as well" do
      assert_raise RuntimeError, "boom", fn -> compiled(&raising/2, [2, 3]) end
      throwing = fn _ -> throw(:ball) end
      assert catch_throw(compiled(&optional/2, [2, 3], hooks: %{optional: throwing})) == :ball

      assert catch_exit(compiled(&optional/2, [2, 3], hooks: %{optional: fn _ -> exit(:gone) end})) ==
               :gone

      # The engine goes on, and nothing is left in the mailbox.
      assert compiled(&optional/2, [2, 3]) |> Nx.to_number() == 5
      refute_received _
    end

    defn chain(a, b, c) do
      a = watch(a, :a)
      b = watch(b, :b)
      c = watch(c, :c)
      a + c + b
    end

    test "hooks are called in the order of the program" do
      parent = self()
      send_number = &send(parent, Nx.to_number(&1))
      compiled(&chain/3, [1, 2, 3], hooks: %{a: send_number, b: send_number, c: send_number})
      assert Davit.Real.flush() == [1, 2, 3]
    end

    defn around_loop(x) do
      before = watch(x, :step)

      looped =
        while x, x < 3 do
          watch(x + 1, :step)
        end

      later = watch(x * 100, :step)
      before + later + looped
    end

    test "a loop has its place among hooks" do
      compiled(&around_loop/1, [1], hooks: %{step: sender(self(), :tag)})
      assert sent(:tag) == [1, 2, 3, 100]
    end

    defn(printing(a, b), do: print_value(a + b, fn x -> x * 2 end, label: "twice"))

    test "a print goes to where the caller prints" do
      printed = ExUnit.CaptureIO.capture_io(fn -> compiled(&printing/2, [1, 2]) end)
      assert printed =~ "twice: "
      assert printed =~ "6"
    end

    test "many prints of one function in one program" do
      fun = fn x ->
        x = Nx.Defn.Kernel.print_value(x)
        Nx.Defn.Kernel.print_value(Nx.add(x, 1))
      end

      printed = ExUnit.CaptureIO.capture_io(fn -> compiled(fun, [41]) end)
      assert printed =~ ~r/41.*42/s
    end

    test "a hook may compute, also with what is compiled" do
      parent = self()
      double = Nx.Defn.jit(&Nx.multiply(&1, 2), compiler: Davit)
      hook = fn x -> send(parent, {:tag, home({Nx.add(x, 1), double.(x)})}) end
      compiled(&optional/2, [2, 3], hooks: %{optional: hook})
      assert sent(:tag) == [{6, 10}]
    end

    test "values of types that MLX does not have" do
      x = Nx.tensor([1, 2, 3], type: :c128)
      compiled(&container/1, [x], hooks: %{container: sender(self(), :tag)})
      assert_received {:tag, value}
      assert value == Nx.backend_copy(x, Nx.BinaryBackend)
    end

    test "vectorized values come with their axes as the first ones" do
      x = Nx.vectorize(Nx.tensor([[1, 2], [3, 4]], names: [nil, :i]), :v)
      compiled(&container/1, [x], hooks: %{container: sender(self(), :tag)})
      assert_received {:tag, %Nx.Tensor{vectorized_axes: [], shape: {2, 2}, names: [:v, :i]}}
    end

    test "a value that is longer than a message is an error that says so" do
      x = Nx.broadcast(Nx.tensor(1, type: :u8), {33, 1024, 1024})

      error =
        assert_raise Davit.EngineError, ~r/container.*34603008 bytes.*slice/, fn ->
          compiled(&container/1, [Nx.backend_copy(x, Davit.Backend)], hooks: %{container: & &1})
        end

      assert error.code == :value_too_large
    end

    test "the hooks of one process are called there, in many processes at once" do
      tasks =
        for n <- 1..20 do
          Task.async(fn ->
            compiled(&factorial/1, [5 + rem(n, 3)], hooks: %{factorial: sender(self(), :tag)})
            {n, length(sent(:tag))}
          end)
        end

      for {n, fired} <- Task.await_many(tasks, :infinity), do: assert(fired == 4 + rem(n, 3))
    end

    defp offset(x, options), do: Nx.add(x, options[:by])
    defn(runtime(x, options), do: Nx.runtime_call(x, x, options, &offset/2) * 2)
    defp failing(_, _), do: raise(KeyError, key: :x, term: %{})
    defn(runtime_failing(x), do: Nx.runtime_call(x, x, &failing/2))
    defp wrong(_, _), do: Nx.tensor([1, 2])
    defn(runtime_wrong(x), do: Nx.runtime_call(x, x, &wrong/2))
    defp pair(x, _), do: %{a: x, b: {Nx.multiply(x, 2), Nx.sum(x)}}

    defn runtime_pair(x) do
      %{a: a, b: {b, c}} = Nx.runtime_call(%{a: x, b: {x, Nx.sum(x)}}, x, &pair/2)
      a + b + c
    end

    test "a function is called at run time, and the program goes on with its results" do
      for by <- [10, 20], do: assert_same(&runtime/2, [Nx.tensor([1, 2]), [by: by]])
      assert_same(&runtime_pair/1, [Nx.tensor([1, 2])])
      assert_raise KeyError, fn -> compiled(&runtime_failing/1, [1]) end
      assert_raise RuntimeError, ~r/output template/, fn -> compiled(&runtime_wrong/1, [1]) end
    end

    # Nx main has no tokens.
    if Code.ensure_loaded?(Nx.Defn.Kernel) and
         function_exported?(Nx.Defn.Kernel, :create_token, 0) do
      defn tokens(a, b, p) do
        {token, sum} = hook_token(create_token(), a + b, :sum)
        {token, _} = hook_token(token, a * b, :product, to_self(:tag))
        if p, do: attach_token(token, sum), else: a
      end

      test "the hooks of a token are called in order, where what it is attached to is computed" do
        hooks = %{sum: sender(self(), :tag)}
        assert compiled(&tokens/3, [2, 5, 1], hooks: hooks) |> Nx.to_number() == 7
        assert sent(:tag) == [7, 10]
        assert compiled(&tokens/3, [2, 5, 0], hooks: hooks) |> Nx.to_number() == 2
        assert sent(:tag) == []
        assert compiled(&tokens/3, [3, 5, 1]) |> Nx.to_number() == 8
        assert sent(:tag) == [15]
      end
    end
  end
end
