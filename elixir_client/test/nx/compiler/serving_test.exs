if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.ServingTest do
    use ExUnit.Case, async: true
    import Davit.Test.AgainstEvaluator
    alias Davit.Test.OnPeer

    @moduletag :engine

    defp serving(fun, options \\ []), do: Nx.Serving.jit(fun, [compiler: Davit] ++ options)
    defp batch(rows), do: Nx.Batch.stack(Enum.map(rows, &Nx.tensor/1))

    defp start(serving, options) do
      name = :"serving_#{System.unique_integer([:positive])}"
      start_supervised!({Nx.Serving, [serving: serving, name: name] ++ options}, id: name)
      name
    end

    test "an inline serving runs batches" do
      result = Nx.Serving.run(serving(&Nx.multiply(&1, 2)), batch([[1, 2], [3, 4]]))
      assert home(result) == Nx.tensor([[2, 4], [6, 8]])
    end

    test "many processes share batches" do
      name = start(serving(&Nx.multiply(&1, 2)), batch_size: 4, batch_timeout: 100)

      tasks =
        for n <- 1..16,
            do:
              Task.async(fn ->
                Nx.Serving.batched_run(name, batch([[n, n + 1]])) |> Nx.to_list()
              end)

      assert Task.await_many(tasks, :infinity) == for(n <- 1..16, do: [[2 * n, 2 * n + 2]])
    end

    test "partitions run batches at the same time, on queues of their own" do
      parent = self()

      # Each batch waits in its hook for the other one.
      meet = fn _ ->
        send(parent, {:in_hook, self()})
        receive do: (:go -> :ok)
      end

      name =
        start(serving(&watch(Nx.add(&1, 1), :meet), max_concurrency: 2, hooks: %{meet: meet}),
          partitions: true,
          batch_size: 1,
          batch_timeout: 0
        )

      tasks =
        for n <- 1..2,
            do: Task.async(fn -> Nx.Serving.batched_run(name, batch([n])) |> Nx.to_list() end)

      assert_receive {:in_hook, one}
      assert_receive {:in_hook, other}
      assert one != other
      for pid <- [one, other], do: send(pid, :go)
      assert tasks |> Task.await_many(:infinity) |> Enum.sort() == [[2], [3]]
    end

    test "hooks stream while the batch runs" do
      fun = fn x -> x |> Nx.add(1) |> watch(:first) |> Nx.multiply(10) |> watch(:second) end
      streamed = serving(fun) |> Nx.Serving.streaming(hooks: [:first, :second])
      name = start(streamed, batch_size: 2, batch_timeout: 0)

      for n <- 1..2 do
        events = name |> Nx.Serving.batched_run(batch([n])) |> Enum.to_list()
        lists = for {tag, value, _} <- events, do: {tag, Nx.to_list(value)}

        hooks =
          for {tag, value} <- events |> Enum.filter(&(tuple_size(&1) == 2)),
              do: {tag, Nx.to_list(value)}

        assert hooks == [first: [n + 1], second: [10 * n + 10]]
        assert lists == [batch: [10 * n + 10]]
      end
    end

    test "a batch that fails does not take the serving down" do
      check = fn x -> if Nx.to_number(Nx.sum(x)) < 0, do: raise("negative") end

      name =
        start(serving(&watch(&1, :check), hooks: %{check: check}), batch_size: 1, batch_timeout: 0)

      assert Nx.Serving.batched_run(name, batch([1])) |> Nx.to_list() == [1]
      {exit, _} = catch_exit(Nx.Serving.batched_run(name, batch([-1])))
      assert inspect(exit) =~ "negative"
      assert Nx.Serving.batched_run(name, batch([2])) |> Nx.to_list() == [2]
    end

    test "a serving on two nodes, each with its engine" do
      [{one, _}, {two, node}] = for _ <- 1..2, do: OnPeer.start()
      name = :"serving_#{System.unique_integer([:positive])}"
      [here, _there] = for peer <- [one, two], do: OnPeer.start_serving(peer, name)
      OnPeer.connect(one, node)
      OnPeer.await_servings(one, name, 2)

      # A row that is read from the engine, and one that comes along.
      for size <- [3, 5000] do
        row = Enum.map(1..size, &(&1 * 0.001))

        for where <- [name, {:distributed, name}] do
          result = OnPeer.batched_run(one, where, row)
          for {a, x} <- Enum.zip(result, row), do: assert_in_delta(a, :math.cos(x), 1.0e-6)
        end
      end

      # Without the one here, the other one serves.
      OnPeer.stop_serving(one, here)
      OnPeer.await_servings(one, name, 1)
      before = OnPeer.calls(two)
      assert [cosine] = OnPeer.batched_run(one, {:distributed, name}, [1.0])
      assert_in_delta cosine, :math.cos(1), 1.0e-6
      assert OnPeer.calls(two) == before + 1
    end
  end
end
