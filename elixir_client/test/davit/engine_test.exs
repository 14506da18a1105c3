defmodule Davit.EngineTest do
  use ExUnit.Case, async: true
  import ExUnit.CaptureLog

  alias Davit.{Engine, EngineError, Fake, Tensor}
  alias Davit.Engine.Command

  describe "the command" do
    test "a string is split, a lone word gets `port`, a list is taken as it is" do
      sh = System.find_executable("sh")
      assert Command.find(command: "sh -c 'a b'") == {:ok, sh, ["-c", "a b"]}
      assert Command.find(command: "sh") == {:ok, sh, ["port"]}
      assert Command.find(command: ["sh", "x y"]) == {:ok, sh, ["x y"]}
    end

    test "a command that does not exist is named" do
      assert {:error, error} = Command.find(command: "no-such-davit port")
      assert error.code == :engine_missing
      assert error.message =~ "no-such-davit"
      assert error.message =~ "DAVIT_ENGINE"
    end

    test "an engine without a command fails its callers, and goes on trying" do
      name = :"missing_#{System.unique_integer([:positive])}"
      start_supervised!({Engine, name: name, command: "no-such-davit"})
      error = assert_raise EngineError, fn -> Engine.session!(name) end
      assert error.code == :engine_missing
      assert {:down, %EngineError{}} = Engine.status(name)
    end
  end

  test "its process has the environment and the folder that were asked for" do
    script = "test \"$A-$PWD\" = b-/ && exit 7"
    name = :"env_#{System.unique_integer([:positive])}"
    command = ["sh", "-c", script]
    start_supervised!({Engine, name: name, command: command, env: [{"A", "b"}], cd: "/"})
    assert_raise EngineError, ~r/exited with status 7/, fn -> Engine.session!(name) end
  end

  doctest Davit.Engine.Launcher
  doctest Davit.Engine.Backoff

  test "a name that an ETS table has is refused, and the table is left alone" do
    name = :"table_#{System.unique_integer([:positive])}"
    :ets.new(name, [:named_table, :public])

    assert_raise ArgumentError, ~r/expected :name .* #{inspect(name)}/, fn ->
      Engine.start_link(name: name)
    end

    error = assert_raise EngineError, fn -> Engine.session!(name) end
    assert {error.code, error.message =~ inspect(name)} == {:engine_down, true}
    assert :ets.tab2list(name) == []
  end

  test "an engine that was not started is named" do
    error = assert_raise EngineError, fn -> Engine.session!(:never_started) end
    assert error.message =~ ":never_started"
    assert Engine.status(:never_started) == :stopped
  end

  test "the answer to a bad request is an error, and the engine goes on" do
    session = Engine.session!(Fake.start())
    assert {:error, %{code: _}} = Engine.Request.call(session, ["no such thing"])
    assert {:ok, %{"pid" => _}, _} = Engine.Request.call(session, ["info"])
  end

  test "an error of the engine has all its fields" do
    program = Fake.program(Fake.start(), "fail", [{:float32, {2, 3}}])
    error = assert_raise EngineError, fn -> Davit.run(program, [List.duplicate([1, 2, 3], 2)]) end
    assert %{op: "matmul", label: "layer.3", site: 5, inputs: [{:float32, {2, 3}}]} = error
    assert error.code == :shape_invalid

    assert Exception.message(error) ==
             "matmul cannot multiply these (op matmul; label \"layer.3\"; inputs float32[2, 3]; " <>
               "expected the same inner size)"
  end

  describe "when the engine dies" do
    test "each caller that waits gets one error, and the next call works" do
      engine = Fake.start()
      hang = Fake.program(engine, "hang")
      exit = Fake.program(engine, "exit:9")
      test = self()

      waiting =
        for _ <- 1..5 do
          Task.async(fn ->
            hooks = [{:all, fn _ -> :ok end}]
            send(test, :waits)
            assert_raise EngineError, fn -> Davit.run(hang, [Enum.to_list(1..16)], hooks: hooks) end
          end)
        end

      for _ <- waiting, do: assert_receive(:waits)
      error = assert_raise EngineError, fn -> Davit.run(exit, [Enum.to_list(1..16)]) end
      assert error.code == :engine_lost
      assert error.message =~ ~r/engine 1 exited with status 9 at \d{4}-/
      for error <- Task.await_many(waiting), do: assert(error.code == :engine_lost)

      # Programs come back by themselves.
      echo = Fake.program(engine, "echo")
      assert [%Tensor{}] = Davit.run(echo, [Enum.to_list(1..16)])
      assert Engine.status(engine) == :up
      assert {_, []} = Process.info(self(), :messages)
    end

    test "a program that was loaded before runs afterwards, also for many processes at once" do
      engine = Fake.start()
      echo = Fake.program(engine, "echo")
      kill = Fake.program(engine, "kill")
      error = assert_raise EngineError, fn -> Davit.run(kill, [Enum.to_list(1..16)]) end
      assert error.message =~ "signal 9"

      results =
        1..20
        |> Task.async_stream(fn n -> Davit.run(echo, [List.duplicate(n, 16)]) end,
          max_concurrency: 20
        )
        |> Enum.map(fn {:ok, [tensor]} -> hd(Tensor.to_list(tensor)) end)

      assert results == Enum.map(1..20, &(&1 * 1.0))
      assert Engine.info(engine)["programs"] == [echo.id]
    end

    test "a tensor in the engine is lost, a tensor with values in the VM is not" do
      engine = Fake.start()
      large = Tensor.from_binary(<<0::800_000>>, {:uint8, {100_000}}, engine: engine)
      small = Tensor.from_binary(<<0::512>>, {:float32, {16}}, engine: engine, place: :engine)
      kill = Fake.program(engine, "kill")
      assert_raise EngineError, fn -> Davit.run(kill, [small]) end

      error = assert_raise EngineError, fn -> Tensor.to_binary(large) end
      assert error.code == :engine_lost

      assert error.message =~
               "tensor u8[100000] lived in engine 1, which exited with signal 9 at"

      echo = Fake.program(engine, "echo")
      assert [result] = Davit.run(echo, [small])
      assert Tensor.to_binary(result) == <<0::512>>
    end

    test "twenty times in a row: errors, and nothing worse" do
      engine = Fake.start()
      kill = Fake.program(engine, "kill")

      for round <- 1..20 do
        # It waits for the next engine: one that can run is back soon.
        error = assert_raise EngineError, fn -> Davit.run(kill, [Enum.to_list(1..16)]) end
        assert error.code == :engine_lost
        assert error.message =~ "engine #{round} exited with signal 9"
      end

      assert Process.alive?(Process.whereis(engine))
    end

    test "the back-off grows, and callers get the error meanwhile" do
      name = :"refused_#{System.unique_integer([:positive])}"
      command = ["node", Path.expand("../support/fake_engine.mjs", __DIR__), "refuse"]
      start_supervised!({Engine, name: name, command: command})
      error = assert_raise EngineError, fn -> Engine.session!(name) end
      assert error.code == :engine_down
      assert error.message =~ "refused the session: no"
      assert {:error, %{code: :timeout}} = Engine.await(name, 1)
    end

    test "an answer that is garbage fails only its request" do
      engine = Fake.start()
      garbage = Fake.program(engine, "garbage")
      error = assert_raise EngineError, fn -> Davit.run(garbage, [Enum.to_list(1..16)]) end
      assert error.code == :protocol_violated
      assert %{"pid" => _} = Engine.info(engine)
    end

    test "the engine's `bye` is in the error" do
      bye = Fake.program(Fake.start(), "bye")
      error = assert_raise EngineError, fn -> Davit.run(bye, [Enum.to_list(1..16)]) end

      assert error.message =~
               "exited with status 1 after saying frame_invalid: said the fake engine"
    end

    test "a stopped engine ends its callers' calls" do
      engine = Fake.start()
      hang = Fake.program(engine, "hang")

      caller =
        Task.async(fn -> assert_raise EngineError, fn -> Davit.run(hang, [<<0::512>>]) end end)

      Fake.eventually(fn -> Engine.Routes.waiting?(Engine.session!(engine).routes, caller.pid) end)
      stop_supervised!(engine)
      assert Task.await(caller).code == :engine_lost
    end
  end

  test "log lines of the engine reach Logger" do
    log =
      capture_log([level: :info], fn ->
        Logger.configure(level: :info)
        engine = Fake.start()
        Engine.info(engine)
        # The line came before the answer to `hello`; the reporter has it, or had it.
        :sys.get_state(Engine.Part.name(engine, :reporter))
        Logger.configure(level: :warning)
      end)

    assert log =~ "fake engine"
  end

  describe "a caller that dies" do
    test "has its runs cancelled, its subscriptions removed and its queue closed" do
      engine = Fake.start()
      hang = Fake.program(engine, "hang")
      test = self()

      caller =
        spawn(fn ->
          {:ok, _} = Davit.Hooks.subscribe("h", engine: engine)
          Task.start(fn -> nil end)
          send(test, :subscribed)
          Davit.run(hang, [<<0::512>>])
        end)

      assert_receive :subscribed
      session = Engine.session!(engine)
      Fake.eventually(fn -> Engine.Routes.waiting?(session.routes, caller) end)
      assert [%{"match" => ["name", "h"]}] = Engine.info(engine)["subscriptions"]
      Process.exit(caller, :kill)

      info =
        Fake.eventually(fn ->
          info = Engine.info(engine)
          info["cancelled"] != [] and info["subscriptions"] == [] and info["closed"] != [] && info
        end)

      assert [[_, "caller died"]] = info["cancelled"]
      refute Engine.Routes.waiting?(session.routes, caller)
    end

    test "a stream in it ends too" do
      engine = Fake.start()
      test = self()
      options = [engine: engine, started: fn -> send(test, :started) end]
      reader = spawn(fn -> Davit.Hooks.stream("h", options) |> Enum.each(& &1) end)
      assert_receive :started
      assert [_] = Engine.info(engine)["subscriptions"]
      Process.exit(reader, :kill)
      Fake.eventually(fn -> Engine.info(engine)["subscriptions"] == [] end)
    end
  end
end
