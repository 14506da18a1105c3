defmodule Davit.StartTest do
  # Commands that start and never get ready, and how the processes of engines end.
  use ExUnit.Case, async: true
  import ExUnit.CaptureLog

  alias Davit.{Engine, EngineError, Fake, Hooks, Tensor}

  # Processes get seconds to end; on a busy machine that is longer.
  @moduletag timeout: 300_000

  # An engine whose command writes its process id to a file, and then does what the script says.
  defp start(script, options \\ []) do
    name = :"start_#{System.unique_integer([:positive])}"
    file = Path.join(System.tmp_dir!(), "davit-#{name}")

    pids = fn ->
      case File.read(file) do
        {:ok, text} -> String.split(text)
        {:error, :enoent} -> []
      end
    end

    command = ["sh", "-c", "echo $$ >> #{file}; #{script}"]
    start_supervised!({Engine, [name: name, command: command] ++ options}, id: name)

    # Nothing would end a process that outlives a VM that halts now.
    on_exit(fn ->
      for pid <- pids.(), do: wait_for_end(pid)
      File.rm(file)
    end)

    {name, pids}
  end

  defp alive?(pid), do: match?({_, 0}, System.cmd("kill", ["-0", pid], stderr_to_stdout: true))

  defp wait_for_end(pid), do: Fake.eventually(fn -> not alive?(pid) end, deadline())
  defp ending?(pid), do: :ets.member(Engine.OsProcesses, {:ending, pid})
  defp deadline, do: System.monotonic_time(:millisecond) + 60_000

  describe "an engine that never gets ready" do
    test "makes no caller wait longer than its timeout" do
      {engine, _} = start("exec sleep 1000")
      fake = Fake.start()
      program = %{Fake.program(fake, "echo") | engine: engine}
      tensor = Tensor.from_list([1], :uint8, engine: fake, place: :engine)
      tensor = %{tensor | data: nil, ref: %{tensor.ref | engine: engine}}

      for call <- [
            fn -> Fake.program(engine, "echo", [{:float32, {16}}], timeout: 50) end,
            fn -> Davit.run(program, [<<0::512>>], timeout: 50) end,
            fn -> Davit.run_many(program, [[<<0::512>>]], timeout: 50) end,
            fn -> Tensor.to_binary(tensor, timeout: 50) end,
            fn -> Tensor.to_list(tensor, timeout: 50) end
          ] do
        error = assert_raise EngineError, call
        assert error.code == :timeout
        assert error.message == "engine #{inspect(engine)} is not up after 50 ms"
      end

      assert {:error, %{code: :timeout}} = Engine.await(engine, 50)
    end

    test "is ended, and started again after growing delays" do
      {engine, pids} = start("exec sleep 1000", start_timeout: 20)
      error = assert_raise EngineError, fn -> Engine.session!(engine) end
      assert error.code == :engine_down
      assert error.message =~ "was not ready within 20 ms"

      Fake.eventually(fn ->
        :sys.get_state(Engine.Part.name(engine, :owner)).lifecycle.attempt >= 3
      end)

      assert {:down, _} = Engine.status(engine)
      first = hd(pids.())
      wait_for_end(first)
      stop_supervised!(engine)
      for pid <- pids.(), do: wait_for_end(pid)
    end

    test "that says something else first fails with that" do
      {engine, _} = start("printf '\\0\\0\\0\\2hi' >&4; exec sleep 1000")
      error = assert_raise EngineError, fn -> Engine.session!(engine) end
      assert error.message =~ "sent a frame of 2 bytes"
    end
  end

  describe "the process of an engine" do
    test "that ignores all signals but SIGKILL ends when the engine is stopped" do
      {engine, pids} = start("trap '' TERM; while :; do sleep 1; done")
      Fake.eventually(fn -> match?([_], pids.()) end)
      stop_supervised!(engine)
      [pid] = pids.()
      wait_for_end(pid)
    end

    test "that was stopped by a signal ends, however its port is closed" do
      for close <- [
            &stop_supervised!/1,
            &Process.exit(Engine.Part.whereis(&1, :owner), :kill),
            &Process.exit(Engine.Part.whereis(&1, :core), :kill)
          ] do
        engine = Fake.start()
        pid = to_string(Engine.info(engine)["pid"])
        {_, 0} = System.cmd("kill", ["-STOP", pid])
        close.(engine)
        wait_for_end(pid)
      end
    end

    test "ends also where Davit.Engine.OsProcesses was killed in between" do
      engine = Fake.start()
      pid = to_string(Engine.info(engine)["pid"])
      {_, 0} = System.cmd("kill", ["-STOP", pid])
      os_processes = Process.whereis(Engine.OsProcesses)
      monitor = Process.monitor(os_processes)
      Process.exit(os_processes, :kill)
      assert_receive {:DOWN, ^monitor, _, _, _}
      Fake.eventually(fn -> Process.whereis(Engine.OsProcesses) end)
      Process.exit(Engine.Part.whereis(engine, :owner), :kill)
      wait_for_end(pid)
    end

    test "that ends by itself needs no shell for that" do
      engine = Fake.start()
      pid = Engine.info(engine)["pid"]
      # However long a busy machine takes to end it.
      :ok = :sys.suspend(Engine.OsProcesses)
      stop_supervised!(engine)
      wait_for_end(to_string(pid))
      :ok = :sys.resume(Engine.OsProcesses)
      Fake.eventually(fn -> not ending?(pid) end)
      {commands, 0} = System.cmd("ps", ["-A", "-o", "args="])
      shell = "davit-end-process #{pid}"
      refute commands |> String.split("\n") |> Enum.any?(&String.ends_with?(&1, shell))
    end

    test "that was stopped by a signal ends also where the application stops at once" do
      engine = Fake.start()
      pid = Engine.info(engine)["pid"]
      {_, 0} = System.cmd("kill", ["-STOP", "#{pid}"])
      stop_supervised!(engine)
      :ok = GenServer.stop(Engine.OsProcesses)
      # What is started in its place has nothing to do.
      refute ending?(pid)
      wait_for_end(to_string(pid))
    end

    test "that closed its port without an exit status is reported as such" do
      # Its input is closed, so that a write fails; then it lives on.
      script =
        "exec 3<&-; printf '\\0\\0\\0\\53\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\33\\0\\0\\0\\0" <>
          "\\222\\245ready\\202\\250protocol\\1\\246engine\\241x' >&4; exec sleep 1000"

      {engine, pids} = start(script)
      error = assert_raise EngineError, fn -> Engine.session!(engine) end

      assert error.message =~
               "closed its side of the port while something was written to it (:epipe)"

      assert error.message =~ "exit status is not known"
      [pid | _] = pids.()
      wait_for_end(pid)
    end
  end

  test "the end of an engine is in the log, with its reason" do
    log =
      capture_log(fn ->
        engine = Fake.start()
        kill = Fake.program(engine, "kill")
        assert_raise EngineError, fn -> Davit.run(kill, [<<0::512>>]) end
        :ok = Engine.await(engine)
        :sys.get_state(Engine.Part.name(engine, :reporter))
      end)

    assert log =~
             ~r/\[warning\] :fake_\d+: engine 1 exited with signal 9 at .* started again at once/
  end

  test "a subscriber is notified when its engine is stopped, or its feed killed" do
    engine = Fake.start()
    {:ok, ref} = Hooks.subscribe("h", engine: engine)
    {:ok, other} = Hooks.subscribe("h", engine: engine)
    {:ok, gone} = Hooks.subscribe("h", engine: engine)
    :ok = Hooks.unsubscribe(gone)
    [{feed, _}] = Registry.lookup(Hooks.Registry, other)
    Process.exit(feed, :kill)
    assert_receive {:davit_hook_down, ^other, %EngineError{code: :subscription_lost}}
    stop_supervised!(engine)
    assert_receive {:davit_hook_down, ^ref, %EngineError{code: :engine_down} = error}
    assert error.message =~ "was stopped"
    refute_received {:davit_hook_down, _, _}
  end
end
