defmodule Davit.RealEngine.FaultsTest do
  # What is killed in the middle of a run, on the real engine.
  use ExUnit.Case, async: false

  alias Davit.{Engine, EngineError, Fake, Real}
  alias Davit.Graph, as: G

  @moduletag :engine

  # Counts for ever; tells with every iteration that it is under way.
  defp endless do
    G.build([{:float32, {2}}], fn x ->
      G.while(x, fn x -> x |> G.max() |> G.greater(0) end, fn x ->
        x |> G.add(1) |> G.hook("tick")
      end)
    end)
  end

  defp os_pid(engine) do
    {:os_pid, pid} = Port.info(Engine.session!(engine).port, :os_pid)
    pid
  end

  test "an engine killed twenty times in the middle of a run comes back each time" do
    engine = Real.start()
    program = Davit.load(endless(), engine: engine)
    increment = Davit.load(G.build([{:float32, {2}}], &G.add(&1, 1)), engine: engine)
    supervisor = Process.whereis(engine)

    for _ <- 1..20 do
      test = self()
      tick = fn _ -> send(test, :tick) end

      run =
        Task.async(fn ->
          assert_raise EngineError, fn -> Davit.run(program, [[1, 2]], hooks: [{"tick", tick}]) end
        end)

      assert_receive :tick, 30_000
      {_, 0} = System.cmd("kill", ["-9", "#{os_pid(engine)}"])
      assert %EngineError{code: :engine_lost} = Task.await(run, 30_000)
      :ok = Engine.await(engine)
      assert [[2.0, 3.0]] = increment |> Davit.run([[1, 2]]) |> Enum.map(&Davit.Tensor.to_list/1)
      flush()
    end

    assert Process.whereis(engine) == supervisor
  end

  test "the exit status of an engine is known even if processes write while it ends" do
    engine = Real.start()

    for {signal, how} <- [
          {"KILL", ~r/exited with signal 9 at/},
          {"TERM",
           ~r/exited with status 1 after saying engine_terminated: the engine was stopped by SIG/}
        ],
        _ <- 1..5 do
      # One that answered something is back soon.
      assert %{"memory" => _} = Engine.info(engine)
      session = Engine.session!(engine)
      monitor = Port.monitor(session.port)
      writers = for _ <- 1..4, do: Task.async(fn -> write(session) end)
      {_, 0} = System.cmd("kill", ["-#{signal}", "#{os_pid(engine)}"])
      for error <- Task.await_many(writers, 60_000), do: assert(error.message =~ how)
      assert_receive {:DOWN, ^monitor, _, _, :normal}
      :ok = Engine.await(engine)
    end
  end

  # Writes until that fails.
  defp write(session) do
    frame = Davit.Frame.encode(0, Davit.Msgpack.encode(["free", [0]]))

    case Engine.Session.send_frame(session, frame) do
      :ok -> write(session)
      {:error, error} -> error
    end
  end

  test "the engine of a VM that is killed in the middle of a run ends" do
    script = """
    {:ok, _} = Application.ensure_all_started(:davit)
    alias Davit.Graph, as: G
    graph =
      G.build([{:float32, {2}}], fn x ->
        G.while(x, fn x -> x |> G.max() |> G.greater(0) end, fn x -> x |> G.add(1) |> G.hook("tick") end)
      end)
    program = Davit.load(graph)
    {:os_pid, engine} = Port.info(Davit.Engine.session!().port, :os_pid)
    tell = fn event -> if event.seq == 0, do: IO.puts("\#{System.pid()} \#{engine}") end
    Davit.run(program, [[1, 2]], hooks: [{"tick", tell}])
    """

    ebin = Path.join(Mix.Project.app_path(), "ebin")
    {:ok, path, command} = Engine.Command.find([])

    vm =
      Port.open({:spawn_executable, System.find_executable("elixir")}, [
        :binary,
        :exit_status,
        line: 1000,
        env: [{'DAVIT_ENGINE', String.to_charlist(Enum.join([path | command], " "))}],
        args: ["-pa", ebin, "-e", script]
      ])

    assert_receive {^vm, {:data, {:eol, line}}}, 30_000
    [vm_pid, engine_pid] = String.split(line)
    assert alive?(engine_pid)
    {_, 0} = System.cmd("kill", ["-9", vm_pid])
    Fake.eventually(fn -> not alive?(engine_pid) end)
  end

  defp alive?(pid), do: match?({_, 0}, System.cmd("kill", ["-0", pid], stderr_to_stdout: true))

  defp flush do
    receive do
      :tick -> flush()
    after
      0 -> :ok
    end
  end
end
