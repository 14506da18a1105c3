defmodule Davit.RestartTest do
  # Processes of an engine that die, engines that are stopped and started again under the same name.
  use ExUnit.Case, async: true

  alias Davit.{Engine, EngineError, Fake, Hooks, Tensor}

  defp input, do: Enum.to_list(1..16)

  defp part(engine, part), do: Engine.Part.whereis(engine, part)

  # Kills one of the engine's processes, and waits until a new engine is up.
  defp kill_part(engine, part) do
    %{owner: owner} = Engine.session!(engine)
    monitor = Process.monitor(owner)
    engine |> part(part) |> Process.exit(:kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
    Fake.eventually(fn -> Engine.await(engine) == :ok end)
  end

  defp restart(engine) do
    stop_supervised!(engine)
    Fake.start([], name: engine)
  end

  describe "an engine that is started again under its name" do
    test "refuses a tensor of the engine before it" do
      engine = Fake.start()
      old = Tensor.from_list([1], :uint8, engine: engine, place: :engine)
      old = %{old | data: nil}
      restart(engine)
      for _ <- 1..3, do: Tensor.from_list([2], :uint8, engine: engine, place: :engine)
      error = assert_raise EngineError, fn -> Tensor.to_binary(old) end
      assert error.code == :engine_lost
    end

    test "loads a program of the engine before it, under an id of its own" do
      engine = Fake.start()
      old = Fake.program(engine, "echo")
      restart(engine)
      # The same number, were it counted anew.
      new = Fake.program(engine, "fail")
      refute new.id == old.id
      assert [_] = Davit.run(old, [input()])
      assert_raise EngineError, fn -> Davit.run(new, [input()]) end
    end
  end

  describe "when a process of the engine is killed" do
    test "programs can be run, and tensors are lost" do
      for part <- [:owner, :writer, :bulk, :nursery, :tenured, :loader] do
        engine = Fake.start()
        echo = Fake.program(engine, "echo")
        assert [_] = Davit.run(echo, [<<0::512>>])
        old = Tensor.from_list([1], :uint8, engine: engine, place: :engine)
        kill_part(engine, part)
        assert [_] = Davit.run(echo, [<<0::512>>])
        error = assert_raise EngineError, fn -> Tensor.to_binary(%{old | data: nil}) end
        assert error.code == :engine_lost
        # What is forgotten is still freed.
        Tensor.from_list([1], :uint8, engine: engine, place: :engine)
        :ok = Engine.reclaim(engine)
        assert [_ | _] = Engine.info(engine)["freed"]
      end
    end

    test "subscriptions are made again" do
      engine = Fake.start()
      program = Fake.program(engine, "events:1")
      {:ok, ref} = Hooks.subscribe("h", engine: engine)
      kill_part(engine, :owner)
      Fake.eventually(fn -> match?([_], Engine.info(engine)["subscriptions"]) end)
      Davit.run(program, [input()])
      assert_receive {:davit_hook, ^ref, %{seq: 0}}
    end

    test "calls under way fail, and leave no route behind" do
      engine = Fake.start()
      hang = Fake.program(engine, "hang")

      for options <- [[], [fetch: 0]] do
        caller =
          Task.async(fn ->
            error = assert_raise EngineError, fn -> Davit.run(hang, [<<0::512>>], options) end
            {error.code, Process.info(self(), :messages)}
          end)

        session = Engine.session!(engine)
        Fake.eventually(fn -> Engine.Routes.waiting?(session.routes, caller.pid) end)
        kill_part(engine, :owner)
        assert Task.await(caller) == {:engine_lost, {:messages, []}}
        refute Engine.Routes.waiting?(session.routes, caller.pid)
      end
    end
  end

  describe "a session that outlives its engine" do
    setup do
      engine = Fake.start()
      program = Fake.program(engine, "echo")
      tensor = Tensor.from_list([1], :uint8, engine: engine, place: :engine)
      session = Engine.session!(engine)
      stop_supervised!(engine)
      %{engine: engine, session: session, program: program, tensor: tensor}
    end

    test "returns errors and does not crash", %{session: session, program: program} do
      assert {:error, %EngineError{code: :engine_lost}} = Engine.Request.call(session, ["info"])
      assert {:error, %EngineError{}} = Engine.Loader.load(program, session)
      assert :ok = Davit.Collector.reclaim(session)
      assert true = Engine.Routes.remove(session.routes, 1)
    end

    test "makes every call fail with an error that names the engine", %{
      engine: engine,
      program: program,
      tensor: tensor
    } do
      for call <- [
            fn -> Davit.run(program, [<<0::512>>]) end,
            fn -> Davit.run_many(program, [[<<0::512>>], [<<0::512>>]]) end,
            fn -> Tensor.to_binary(%{tensor | data: nil}) end,
            fn -> Engine.info(engine) end,
            fn -> Enum.take(Hooks.stream("h", engine: engine), 1) end
          ] do
        error = assert_raise EngineError, call
        assert {error.code, error.message =~ inspect(engine)} == {:engine_down, true}
      end

      for {:error, error} <- [
            Hooks.subscribe("h", engine: engine),
            Davit.Recording.start("none.rec", :all, engine: engine),
            Davit.Replay.open("none.rec", engine: engine)
          ] do
        assert {error.code, error.message =~ inspect(engine)} == {:engine_down, true}
      end

      assert :ok = Tensor.free(tensor)
      assert :ok = Engine.stop(engine)
    end
  end

  test "constants are sent to the next engine once, however many processes need them" do
    engine = Fake.start()
    large = Tensor.from_binary_in_vm(:binary.copy(<<7>>, 100_000), {:uint8, {100_000}})
    constants = %{String.duplicate("0", 64) => large}
    echo = Fake.program(engine, "echo", [{:uint8, {100_000}}], constants: constants)
    assert_raise EngineError, fn -> Davit.run(Fake.program(engine, "kill"), [input()]) end
    tasks = for _ <- 1..20, do: Task.async(fn -> Davit.run(echo, [large], fetch: 200_000) end)
    for [result] <- Task.await_many(tasks), do: assert(result.data == large.data)
    :ok = Engine.reclaim(engine)
    info = Engine.info(engine)
    # 20 inputs, one constant.
    assert length(info["freed"]) + length(info["tensors"]) == 21
  end

  test "a caller that a full port suspends when the engine dies gets no stray messages" do
    engine = Fake.start()
    echo = Fake.program(engine, "echo")
    session = Engine.session!(engine)
    {:os_pid, os_pid} = Port.info(session.port, :os_pid)
    {_, 0} = System.cmd("kill", ["-STOP", "#{os_pid}"])
    frame = [<<0::64, 0::64>>, :binary.copy(<<0>>, 1_000_000)]
    filler = spawn(fn -> for _ <- 1..10, do: Engine.Session.send_frame(session, frame) end)
    suspended = fn pid -> Process.info(pid, :status) == {:status, :suspended} end
    Fake.eventually(fn -> suspended.(filler) end)

    caller =
      Task.async(fn ->
        [result] = Davit.run(echo, [<<1::512>>])
        {result.data, Process.info(self(), :messages)}
      end)

    Fake.eventually(fn -> suspended.(caller.pid) end)
    {_, 0} = System.cmd("kill", ["-KILL", "#{os_pid}"])
    assert Task.await(caller) == {<<1::512>>, {:messages, []}}
  end

  test "the owner drops callers that gave up waiting" do
    name = :"missing_#{System.unique_integer([:positive])}"
    start_supervised!({Engine, name: name, command: "no-such-davit"})
    for _ <- 1..5, do: assert({:error, %{code: :timeout}} = Engine.await(name, 1))
    waiting = fn -> length(:sys.get_state(Engine.Part.name(name, :owner)).lifecycle.waiting) end
    Fake.eventually(fn -> waiting.() == 0 end)
  end
end
