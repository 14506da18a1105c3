if Code.ensure_loaded?(Nx) do
  defmodule Davit.BurstsTest do
    # Operations that are recorded and not sent yet. While the writer is suspended, none is sent.
    use ExUnit.Case, async: false

    alias Davit.Engine.{Part, Recorded}
    alias Davit.{Fake, Graph, Hooks, Real}
    alias Davit.Graph, as: G

    @moduletag :engine

    setup do
      Nx.default_backend(Davit.Backend)
      %{x: warm(), session: Davit.Engine.session!(Davit.Engine)}
    end

    # The vector [2.0, 3.0] in the engine. The program of the additions is loaded then, so the next ones are recorded at once.
    defp warm do
      x = add(Nx.tensor([1.0, 2.0]), Nx.tensor([1.0, 1.0]))
      Nx.to_binary(add(x, x))
      x
    end

    defp add(a, b), do: Nx.add(a, b)

    defp holding(session, fun) do
      :ok = :sys.suspend(session.writer)

      try do
        fun.()
      after
        :sys.resume(session.writer)
      end
    end

    defp waits?(pid), do: match?({:status, :waiting}, Process.info(pid, :status))

    test "are sent when no more come, though nobody reads", %{x: x, session: session} do
      y = holding(session, fn -> add(x, x) end)
      Fake.eventually(fn -> not Recorded.any?(session) end)
      assert Nx.to_flat_list(y) == [4.0, 6.0]
    end

    test "are sent before what depends on them, whoever asks for it", %{x: x, session: session} do
      {task, maker} =
        holding(session, fn ->
          test = self()
          {maker, ref} = spawn_monitor(fn -> send(test, {:made, add(x, x)}) end)
          assert_receive {:made, made}
          assert_receive {:DOWN, ^ref, _, _, :normal}
          assert Recorded.any?(session)
          task = Task.async(fn -> Nx.to_flat_list(Nx.multiply(made, 2)) end)
          Fake.eventually(fn -> waits?(task.pid) end)
          {task, maker}
        end)

      assert Task.await(task) == [8.0, 12.0]
      refute Process.alive?(maker)
    end

    test "may use what is freed after them", %{x: x, session: session} do
      {y, z} =
        holding(session, fn ->
          y = add(x, x)
          z = add(y, x)
          task = Task.async(fn -> Nx.backend_deallocate(y) end)
          Fake.eventually(fn -> waits?(task.pid) end)
          {{y, task}, z}
        end)

      {y, task} = y
      assert Task.await(task) == :ok
      assert Nx.to_flat_list(z) == [6.0, 9.0]
      assert %{code: :tensor_unknown} = assert_raise(Davit.EngineError, fn -> Nx.to_binary(y) end)
    end

    test "keep what they use until they are sent, though no term holds it", %{session: session} do
      result =
        holding(session, fn ->
          result =
            Enum.reduce(1..20, Nx.tensor([0.0, 0.0]), fn _, y -> add(y, Nx.tensor([1.0, 1.0])) end)

          :erlang.garbage_collect()
          result
        end)

      Davit.Collector.reclaim(session)
      assert Nx.to_flat_list(result) == [20.0, 20.0]
    end

    test "fail where they are read, with the operation and the line", %{x: x, session: session} do
      matrix = Nx.add(Nx.tensor([[1.0, 2.0], [0.0, 0.0]]), 0)
      b = Nx.tensor([1.0, 2.0])
      # Its program is loaded now.
      assert_raise Davit.EngineError, fn ->
        Nx.to_binary(Nx.LinAlg.triangular_solve(matrix, b, lower: false))
      end

      line = __ENV__.line + 5

      [before, failed, later, unrelated] =
        holding(session, fn ->
          before = add(x, x)
          failed = Nx.LinAlg.triangular_solve(matrix, b, lower: false)
          [before, failed, add(failed, x), add(x, before)]
        end)

      error = assert_raise Davit.EngineError, fn -> Nx.to_binary(later) end
      assert error.message =~ "it is Nx.triangular_solve, called at test/nx/bursts_test.exs:#{line}"
      assert Nx.to_flat_list(before) == [4.0, 6.0]
      assert Nx.to_flat_list(unrelated) == [6.0, 9.0]
      assert_raise Davit.EngineError, fn -> Nx.to_binary(failed) end
    end

    test "come before the events of a later run", %{x: x, session: session} do
      {:ok, subscription} = Hooks.subscribe({:probe, "Nx.add*"})
      graph = G.build([{:float32, {2}}], fn y -> y |> G.negative() |> G.label("Nx.added") end)
      program = Davit.load(graph)

      task =
        holding(session, fn ->
          add(x, x)
          task = Task.async(fn -> Davit.run(program, [[1.0, 2.0]]) end)
          Fake.eventually(fn -> waits?(task.pid) end)
          task
        end)

      Task.await(task)
      assert_receive {:davit_hook, ^subscription, %{label: first}}
      assert_receive {:davit_hook, ^subscription, %{label: second}}
      assert {first == "Nx.added", second} == {false, "Nx.added"}
      Hooks.unsubscribe(subscription)
    end

    test "in a handler do not wait behind the run that called it", %{x: x} do
      type = {:float32, {2}}
      graph = G.build([type], fn y -> y |> G.callback("ask", type) |> G.add(1) end)
      program = Davit.load(graph)

      answer = fn _event ->
        sum = Enum.reduce(1..200, x, fn _, y -> add(y, x) end)
        # Of a result that is not read here, the run waits for the operations itself.
        sum.data.value
      end

      [result] = Davit.run(program, [[0.0, 0.0]], callbacks: [{"ask", answer}])
      assert Davit.Tensor.to_list(result) == [403.0, 604.0]
    end

    test "of many processes at once are all computed", %{x: x} do
      tasks =
        for n <- 1..50 do
          Task.async(fn ->
            Enum.reduce(1..150, Nx.tensor([n * 1.0, 0.0]), fn _, y -> add(y, x) end)
          end)
        end

      for {task, n} <- Enum.with_index(tasks, 1),
          do: assert(Nx.to_flat_list(Task.await(task, :infinity)) == [n + 300.0, 450.0])
    end

    test "take along values that are larger than a frame would be", %{x: x} do
      # 400 values of 4 KiB in one operation, many operations.
      part = Nx.from_binary(:binary.copy(<<1.0::float-little-32>>, 1024), :f32)
      parts = List.duplicate(part, 400)

      results = for _ <- 1..50, do: Nx.concatenate(parts)
      sums = for result <- results, do: result |> Nx.sum() |> Nx.to_number()
      assert Enum.uniq(sums) == [400.0 * 1024]
      assert Nx.to_flat_list(add(x, x)) == [4.0, 6.0]
    end

    test "are lost with their engine, and nobody waits for them", %{session: session} do
      engine = Real.start()
      Nx.default_backend({Davit.Backend, engine: engine})
      warm()

      for part <- [:writer, :owner] do
        session = Davit.Engine.session!(engine)
        x = add(Nx.tensor([1.0, 2.0]), Nx.tensor([1.0, 1.0]))
        y = add(x, x)
        Process.exit(Part.whereis(engine, part), :kill)
        # It may have been sent and read before the processes ended.
        try do
          assert Nx.to_flat_list(y) == [4.0, 6.0]
        rescue
          error in Davit.EngineError -> assert error.code in [:engine_lost, :engine_down]
        end

        Davit.Engine.Session.ended(session)
        :ok = Davit.Engine.await(engine)
        assert Nx.to_flat_list(add(Nx.tensor([1.0]), Nx.tensor([1.0]))) == [2.0]
      end

      assert Davit.Engine.status() == :up
      refute Recorded.any?(session)
    end

    test "of an engine that dies are lost, and the next ones are computed" do
      engine = Real.start()
      Nx.default_backend({Davit.Backend, engine: engine})
      x = warm()
      session = Davit.Engine.session!(engine)

      y =
        holding(session, fn ->
          y = add(x, x)
          {:os_pid, pid} = Port.info(session.port, :os_pid)
          System.cmd("kill", ["-9", "#{pid}"])
          Fake.eventually(fn -> not Davit.Engine.Session.up?(session) end)
          y
        end)

      assert %{code: :engine_lost} = assert_raise(Davit.EngineError, fn -> Nx.to_binary(y) end)
      assert Nx.to_flat_list(add(Nx.tensor([1.0]), Nx.tensor([1.0]))) == [2.0]
      Fake.eventually(fn -> :ets.info(Recorded.table(session.name), :size) == 0 end)
      refute Recorded.any?(Davit.Engine.session!(engine))
    end

    test "are freed when no term holds them", %{x: x, session: session} do
      Davit.Collector.reclaim(session)
      before = Davit.Collector.live(session)
      Task.await(Task.async(fn -> Enum.reduce(1..1000, x, fn _, y -> add(y, x) end) end))
      Davit.Collector.reclaim(session)
      assert Davit.Collector.live(session) <= before + 10
      assert %Graph{} = G.build([{:float32, {2}}], & &1)
    end
  end
end
