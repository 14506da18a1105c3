if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.CacheTest do
    # The counters are those of the whole VM.
    use ExUnit.Case, async: false
    import Nx.Defn
    import Davit.Test.AgainstEvaluator

    @moduletag :engine

    # What was counted more after `fun`, without what was not.
    defp counted(fun) do
      before = Davit.Compiler.stats()
      fun.()

      for {name, count} <- Davit.Compiler.stats(),
          count != before[name],
          into: %{},
          do: {name, count - before[name]}
    end

    # Functions that no other test has compiled.
    defp scale(k), do: fn x -> Nx.multiply(x, k) end
    defp shift(t), do: fn x -> Nx.add(x, t) end

    defn(plain(x), do: x * 3 + 1)

    test "a function is compiled once for one template" do
      assert counted(fn -> for n <- 1..5, do: compiled(&plain/1, [n]) end) == %{
               function: 1,
               programs: 1,
               hits: 4
             }

      assert counted(fn -> compiled(&plain/1, [1.5]) end) == %{arguments: 1, programs: 1}
      assert counted(fn -> compiled(&plain/1, [Nx.tensor([1])]) end) == %{arguments: 1, programs: 1}
      assert counted(fn -> compiled(&plain/1, [Nx.tensor([1], names: [:x])]) end) == %{arguments: 1}

      assert counted(fn -> compiled(&plain/1, [7], compiler: Davit.Compiler, cache: :x) end) == %{
               hits: 1
             }
    end

    test "literals that a closure captured are part of the program" do
      results = fn ->
        for k <- [2, 3, 2.0, 2, -0.0, 0.0], do: compiled(scale(k), [-1.5]) |> Nx.to_binary()
      end

      counts = counted(fn -> send(self(), results.()) end)
      assert counts == %{function: 1, captured: 4, programs: 5, hits: 1}
      assert_received [a, b, a, a, zero, minus_zero]
      assert a != b and zero != minus_zero
    end

    test "tensors that a closure captured are inputs: other values need no other program" do
      for {backend, k} <- [{Nx.BinaryBackend, 10}, {Davit.Backend, 20}] do
        tensors = for n <- 1..4, do: Nx.tensor([n, n * k], backend: backend)

        counts =
          counted(fn ->
            for t <- tensors ++ tensors, do: send(self(), compiled(shift(t), [1]) |> Nx.to_list())
          end)

        # The second time around the program is there already.
        programs = if k == 10, do: %{programs: 1, function: 1, captured: 3}, else: %{captured: 4}
        assert counts == Map.put(programs, :hits, 4)

        for n <- [1, 2, 3, 4, 1, 2, 3, 4] do
          expected = [n + 1, n * k + 1]
          assert_received ^expected
        end
      end
    end

    test "a large captured tensor is not kept by the cache" do
      large = Nx.iota({100, 100}, backend: Davit.Backend)
      fun = fn x -> Nx.subtract(large, x) end
      assert compiled(fun, [1]) |> Nx.sum() |> Nx.to_number() == 49_985_000
      entries = :ets.tab2list(Davit.Nx.Compiler.Cache)
      id = large.data.value.ref.id
      refute Enum.any?(entries, &holds?(&1, id))
    end

    defp holds?(%Davit.Tensor{ref: %{id: id}}, id), do: true
    defp holds?(tuple, id) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> holds?(id)
    defp holds?([head | tail], id), do: holds?(head, id) or holds?(tail, id)
    defp holds?(map, id) when is_map(map), do: map |> :maps.to_list() |> holds?(id)
    defp holds?(_, _), do: false

    test "functions in a closure are part of its key, with what they captured" do
      apply_it = fn inner -> fn x -> inner.(x) end end

      for k <- [5, 6, 5],
          do: assert(compiled(apply_it.(scale(k)), [10]) |> Nx.to_number() == 10 * k)

      for f <- [&Nx.sin/1, &Nx.cos/1],
          do: assert_same(apply_it.(f), [Nx.tensor(1.0)], tolerance: 1.0e-6)
    end

    defn(hooked(x), do: watch(x, :cache_test))

    test "hooks that are given by name need no compilation" do
      compiled(&hooked/1, [1])

      counts =
        counted(fn ->
          for n <- 1..5, do: compiled(&hooked/1, [n], hooks: %{cache_test: sender(self(), :tag)})
          compiled(&hooked/1, [9])
        end)

      assert counts == %{hits: 6}
      assert sent(:tag) == [1, 2, 3, 4, 5]
    end

    test "a closure that captured a pid never sends to that of another one" do
      fun = fn pid -> fn x -> watch(x, &send(pid, {:tag, home(&1)})) end end
      parent = self()

      counts =
        counted(fn ->
          for n <- 1..3 do
            Task.await(
              Task.async(fn ->
                compiled(fun.(self()), [n])
                send(parent, {n, sent(:tag)})
              end)
            )
          end
        end)

      for n <- 1..3, do: assert_received({^n, [^n]})
      # Traced again for each, with the program that is there.
      assert %{function: 1, captured: 2, programs: 1} = counts
    end

    defp to_self(tag), do: sender(self(), tag)
    defn(in_trace(x), do: watched_by(x))
    deftransformp(watched_by(x), do: watch(x, to_self(:tag)))

    test "a function with a pid that was made while tracing is for the process that traced" do
      parent = self()

      run = fn ->
        for n <- 1..2, do: compiled(&in_trace/1, [n])
        send(parent, {:got, sent(:tag)})
      end

      counts = counted(fn -> for _ <- 1..3, do: Task.await(Task.async(run)) end)
      for _ <- 1..3, do: assert_received({:got, [1, 2]})
      assert counts == %{function: 1, process: 2, programs: 1, hits: 3}
    end

    test "one process compiles, others that want the same wait for it" do
      parent = self()

      slow = fn x ->
        send(parent, {:tracing, self()})
        receive do: (:go -> Nx.add(x, 17))
      end

      tasks = for n <- 1..4, do: Task.async(fn -> compiled(slow, [n]) |> Nx.to_number() end)
      assert_receive {:tracing, pid}
      refute_received {:tracing, _}
      send(pid, :go)
      assert Task.await_many(tasks) == [18, 19, 20, 21]
      refute_received {:tracing, _}
    end

    def again(x),
      do:
        Nx.add(x, Nx.Defn.jit_apply(&__MODULE__.again/1, [1], compiler: Davit, on_conflict: :force))

    test "a function that is asked for where it is traced raises at once" do
      message = ~r/again\/1 was to be compiled while .*again\/1 is, which waits for it/

      for _ <- 1..2,
          do: assert_raise(RuntimeError, message, fn -> compiled(&__MODULE__.again/1, [1]) end)
    end

    def left(x), do: Nx.add(x, in_turn(&__MODULE__.right/1))
    def right(x), do: Nx.add(x, in_turn(&__MODULE__.left/1))

    defp in_turn(other) do
      send(hd(Process.get(:"$callers")), {:tracing, self()})
      receive do: (:go -> Nx.Defn.jit_apply(other, [1], compiler: Davit, on_conflict: :force))
    end

    test "two functions that would wait for each other raise, whoever asks first" do
      tasks =
        for function <- [&__MODULE__.left/1, &__MODULE__.right/1] do
          Task.async(fn ->
            assert_raise(RuntimeError, fn -> compiled(function, [1]) end) |> Exception.message()
          end)
        end

      # Each has its own function. The second one to ask for the other's raises; then the first one traces it.
      tracing = for _ <- tasks, do: assert_receive({:tracing, _}, 60_000)
      for {:tracing, pid} <- tracing, do: send(pid, :go)
      assert_receive {:tracing, pid}, 60_000
      send(pid, :go)

      assert [first, second] = Task.await_many(tasks, 60_000)
      both = ~r/(left|right)\/1 was to be compiled while .*(left|right)\/1 is/
      assert first =~ both and second =~ both
    end

    test "one that fails to compile leaves the function to the next one" do
      parent = self()

      failing = fn _ ->
        send(parent, {:tracing, self()})
        receive do: (:go -> raise "no trace")
      end

      tasks =
        for _ <- 1..2 do
          Task.async(fn ->
            assert_raise(RuntimeError, "no trace", fn -> compiled(failing, [1]) end)
          end)
        end

      for _ <- tasks do
        assert_receive {:tracing, pid}
        refute_received {:tracing, _}
        send(pid, :go)
      end

      Task.await_many(tasks)
    end

    test "who has waited long enough compiles as well" do
      Application.put_env(:davit, :compile_wait, 1)
      on_exit(fn -> Application.delete_env(:davit, :compile_wait) end)
      parent = self()

      slow = fn x ->
        send(parent, {:tracing, self()})
        receive do: (:go -> Nx.add(x, 19))
      end

      tasks = for n <- 1..2, do: Task.async(fn -> compiled(slow, [n]) |> Nx.to_number() end)
      pids = for _ <- tasks, do: assert_receive({:tracing, _})
      for {_, pid} <- pids, do: send(pid, :go)
      assert Task.await_many(tasks) == [20, 21]
    end

    test "a process that dies while it compiles leaves the function to the next one" do
      parent = self()

      slow = fn x ->
        send(parent, {:tracing, self()})
        receive do: (:go -> Nx.add(x, 18))
      end

      {first, _} = spawn_monitor(fn -> compiled(slow, [1]) end)
      assert_receive {:tracing, ^first}
      second = Task.async(fn -> compiled(slow, [2]) |> Nx.to_number() end)
      Process.exit(first, :kill)
      assert_receive {:tracing, pid}
      send(pid, :go)
      assert Task.await(second) == 20
    end

    test "a function that does not trace says so every time" do
      failing = fn _ -> raise "no trace" end
      for _ <- 1..2, do: assert_raise(RuntimeError, "no trace", fn -> compiled(failing, [1]) end)
    end

    test "telemetry says what was compiled and why" do
      parent = self()
      handler = "compile-#{System.unique_integer()}"

      send_it = fn event, measurements, metadata, _ ->
        send(parent, {event, measurements, metadata})
      end

      :ok = :telemetry.attach(handler, [:davit, :compile, :stop], send_it, nil)
      compiled(fn x -> Nx.subtract(x, 31) end, [1])
      :telemetry.detach(handler)

      assert_received {_, %{duration: _},
                       %{reason: :function, function: name, engine: Davit.Engine}}

      assert name =~ "telemetry says"
    end

    test "an engine that was started again gets the programs again" do
      engine = Davit.Real.start()
      fun = fn -> compiled(&plain/1, [5], engine: engine) |> Nx.to_number() end
      assert fun.() == 16
      System.cmd("kill", ["-9", "#{Davit.Engine.info(engine)["engine"]["pid"]}"])
      assert eventually(fun) == 16
    end

    # A call that was under way when the engine died fails.
    defp eventually(fun) do
      fun.()
    rescue
      Davit.EngineError -> eventually(fun)
    end

    test "what is not used for long is forgotten, and compiled again" do
      fun = fn x -> Nx.multiply(x, 77) end
      compiled(fun, [1])

      for n <- 1..2500,
          do:
            Davit.Nx.Compiler.Cache.fetch({:test, n, []}, fn -> "" end, fn _ ->
              {:traced, %{bound?: false}}
            end)

      assert %{programs: 1} = counted(fn -> assert compiled(fun, [2]) |> Nx.to_number() == 154 end)
    end
  end
end
