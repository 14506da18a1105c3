defmodule Davit.RunFailuresTest do
  # Whatever ends a run early leaves nothing of it in the caller, nor in the engine's table.
  use ExUnit.Case, async: true

  alias Davit.{Engine, EngineError, Fake, Tensor}

  setup do
    engine = Fake.start()
    %{engine: engine, session: Engine.session!(engine)}
  end

  defp input, do: Enum.to_list(1..16)

  defp nothing_left(session) do
    assert Process.info(self(), :messages) == {:messages, []}
    assert :ets.match(session.routes, {:"$1", :_, self(), :_}) == []
    monitored = {:process, session.owner}
    {:monitors, monitors} = Process.info(self(), :monitors)
    refute monitored in monitors
  end

  test "an input of the wrong shape", %{engine: engine, session: session} do
    echo = Fake.program(engine, "echo")
    assert_raise ArgumentError, fn -> Davit.run(echo, [[1, 2]]) end
    nothing_left(session)
    assert_raise ArgumentError, fn -> Davit.run(echo, [[1, 2]], fetch: 0) end
    nothing_left(session)
  end

  test "a bad input among many", %{engine: engine, session: session} do
    hang = Fake.program(engine, "hang")
    echo = Fake.program(engine, "echo")

    for {program, cancelled} <- [{echo, 0}, {hang, 3}] do
      before = length(Engine.info(engine)["cancelled"])
      inputs = [[input()], [input()], [input()], [[1, 2]]]
      assert_raise ArgumentError, fn -> Davit.run_many(program, inputs) end
      nothing_left(session)
      assert length(Engine.info(engine)["cancelled"]) >= before + cancelled
      nothing_left(session)
    end
  end

  test "a handler that raises among many runs", %{engine: engine, session: session} do
    events = Fake.program(engine, "events:1")
    hooks = [{"h", fn _ -> raise "no" end}]

    assert_raise RuntimeError, "no", fn ->
      Davit.run_many(events, for(_ <- 1..9, do: [input()]), hooks: hooks)
    end

    assert length(Engine.info(engine)["cancelled"]) == 9
    nothing_left(session)
  end

  test "a run that fails among many", %{engine: engine, session: session} do
    fail = Fake.program(engine, "fail")
    assert_raise EngineError, fn -> Davit.run_many(fail, for(_ <- 1..9, do: [input()])) end
    Engine.info(engine)
    nothing_left(session)
  end

  test "an answer without values", %{engine: engine, session: session} do
    hollow = Fake.program(engine, "hollow")

    for options <- [[], [fetch: 0]] do
      error = assert_raise EngineError, fn -> Davit.run(hollow, [input()], options) end
      assert {error.code, error.message =~ "run"} == {:protocol_violated, true}
      nothing_left(session)
    end
  end

  test "a program without outputs runs once", %{engine: engine} do
    none = %{Fake.program(engine, "count") | outputs: []}
    assert Davit.run(none, [<<0::512>>]) == []
    assert Engine.info(engine)["runs"] == 1
  end

  test "runs of many processes do not add up to more than the engine takes", c do
    hang = Fake.program(c.engine, "hang")
    # As if others had that many.
    others = spawn_link(fn -> receive(do: (:end -> :ok)) end)
    :ets.insert(c.session.routes, for(n <- 1..40_000, do: {-n, make_ref(), others, :run}))
    task = Task.async(fn -> Davit.run_many(hang, for(_ <- 1..600, do: [input()])) end)
    rows = fn -> length(:ets.match(c.session.routes, {:"$1", :_, task.pid, :_})) end

    Fake.eventually(fn ->
      rows.() > 0 and Process.info(task.pid, :status) == {:status, :waiting}
    end)

    assert rows.() == 1
    Task.shutdown(task, :brutal_kill)
  end

  describe "options" do
    test "that do not exist are named", %{engine: engine} do
      echo = Fake.program(engine, "echo")

      for call <- [
            fn -> Davit.run(echo, [input()], hook: []) end,
            fn -> Davit.run(echo, [input()], hooks: [{"h", & &1, polcy: :every}]) end,
            fn -> Davit.load(<<>>, engne: engine) end,
            fn -> Tensor.from_list([1], :int8, plce: :engine) end,
            fn -> Tensor.to_binary(Tensor.scalar(1, :int8), timout: 1) end,
            fn -> Davit.Hooks.subscribe("h", engine: engine, polcy: :every) end,
            fn -> Davit.Hooks.stream("h", polcy: :every) end,
            fn -> Davit.Recording.start("x", :all, engne: engine) end,
            fn -> Davit.open_file("x", [], engne: engine) end,
            fn -> Engine.start_link(nme: :x) end
          ] do
        assert_raise ArgumentError,
                     ~r/unknown option :(hook|polcy|engne|plce|timout|nme) .*expected :/,
                     call
      end
    end

    test "with invalid values are named", %{engine: engine} do
      echo = Fake.program(engine, "echo")

      for {options, message} <- [
            {[timeout: -1], ~r/:timeout.*got -1/},
            {[timeout: 1.5], ~r/:timeout.*got 1.5/},
            {[timeout: 5_000_000_000], ~r/:timeout.*4294967295.*got 5000000000/},
            {[fetch: :all], ~r/:fetch.*got :all/},
            {[keep: 1], ~r/:keep.*got 1/},
            {[print: nil], ~r/:print.*got nil/},
            {[queue: "q"], ~r/:queue.*got "q"/},
            {[hooks: :h], ~r/:hooks.*got :h/},
            {[callbacks: [{:some, & &1}]], ~r/as a match.*got :some/},
            {[callbacks: [{{:label, "l"}, & &1}]], ~r/:callbacks.*got \{:label, "l"\}/},
            {[callbacks: [{fn _ -> 1 end, & &1}]], ~r/&Mod.fun\/1/},
            {[callbacks: [{"a", 1}]], ~r/:callbacks.*got \{"a", 1\}/}
          ] do
        assert_raise ArgumentError, message, fn -> Davit.run(echo, [input()], options) end
      end

      assert_raise ArgumentError, ~r/:max_queue.*got 0/, fn ->
        Davit.Hooks.subscribe("h", engine: engine, max_queue: 0)
      end

      assert_raise ArgumentError, ~r/:subscriber.*a pid.*got "me"/, fn ->
        Davit.Hooks.subscribe("h", engine: engine, subscriber: "me")
      end

      assert_raise ArgumentError, ~r/:place.*got :gpu/, fn ->
        Tensor.from_list([1], :int8, place: :gpu)
      end

      for {options, message} <- [
            {[name: "x"], ~r/:name.*got "x"/},
            {[command: 7], ~r/:command.*got 7/},
            {[env: [A: 1]], ~r/:env.*got \[A: 1\]/},
            {[cd: 7], ~r/:cd.*got 7/},
            {[limits: %{hook_credit: -1}], ~r/:limits.*got %\{hook_credit: -1\}/},
            {[max_queue: 0], ~r/:max_queue.*got 0/},
            {:x, ~r/keyword list.*got :x/}
          ] do
        assert_raise ArgumentError, message, fn -> Engine.start_link(options) end
      end

      assert_raise ArgumentError, ~r/Davit.Graph.*got 17/, fn -> Davit.load(17, engine: engine) end
    end
  end

  test "an input that cannot be encoded is named", %{engine: engine} do
    program = Fake.program(engine, "echo", [{:int8, {}}, {:int8, {2}}])

    for {inputs, message} <- [
          {[1, [1, 300]], ~r/input 1 .*300 does not fit s8/},
          {[1, [1, [2]]], ~r/input 1 .*parts of the shapes/},
          {[:one, [1, 2]], ~r/input 0 .*:one does not fit s8/}
        ] do
      assert_raise ArgumentError, message, fn -> Davit.run(program, inputs) end
    end
  end

  test "a handler's value that cannot be encoded is named as that, not as an input", %{
    engine: engine
  } do
    program = Fake.program(engine, "callback", [{:int8, {2}}])

    for {value, message} <- [
          {[1, 300], ~r/value 0 of the handler of ask.*300 does not fit s8/},
          {[1, 2, 3], ~r/value 0 of the handler of ask.*shape \{3\}/}
        ] do
      calls = [{"ask", fn _ -> value end}]
      assert_raise ArgumentError, message, fn -> Davit.run(program, [[1, 2]], callbacks: calls) end
    end
  end

  test "small inputs that would make a run too long are sent before it", %{engine: engine} do
    type = {:uint8, {65_536}}
    program = Fake.program(engine, "inlined", List.duplicate(type, 300))
    bytes = :binary.copy(<<1>>, 65_536)
    # So many came with the run: 16 MiB.
    assert [first | _] = Davit.run(program, List.duplicate(bytes, 300))
    assert Tensor.to_binary(first) == bytes
    assert Engine.info(engine)["inlined"] == 256
  end

  test "a tensor of another node is sent by its values, if it has them", %{engine: engine} do
    tensor = Tensor.from_list(input(), :float32, engine: engine, place: :engine)
    foreign = put_in(tensor.ref.node, :other@host)
    echo = Fake.program(engine, "echo")
    assert [result] = Davit.run(echo, [foreign])
    assert result.data == tensor.data
    assert Tensor.to_engine(foreign, engine).ref.node == node()
    error = assert_raise EngineError, fn -> Davit.run(echo, [%{foreign | data: nil}]) end
    assert error.code == :tensor_foreign
  end
end
