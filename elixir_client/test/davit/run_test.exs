defmodule Davit.RunTest do
  use ExUnit.Case, async: true
  import ExUnit.{CaptureIO, CaptureLog}

  alias Davit.{Engine, EngineError, Fake, Tensor}

  setup do
    %{engine: Fake.start()}
  end

  test "inputs may be tensors, lists, numbers or binaries", %{engine: engine} do
    types = [{:float32, {2}}, {:int8, {}}, {:uint8, {3}}, {:bool, {2}}, {:uint8, {70_000}}]
    program = Fake.program(engine, "echo", types)
    large = :crypto.strong_rand_bytes(70_000)
    tensor = Tensor.from_list([true, false], :bool) |> Tensor.to_engine(engine)
    [a, b, c, d, e] = Davit.run(program, [[1, 2.5], -3, <<1, 2, 3>>, tensor, large])
    assert Enum.map([a, b, d], &Tensor.to_list/1) == [[1.0, 2.5], -3, [true, false]]
    assert Tensor.to_binary(c) == <<1, 2, 3>>
    assert {e.data, Tensor.to_binary(e)} == {nil, large}
  end

  test "a process runs many programs in turn, and keeps what they need within bounds", %{
    engine: engine
  } do
    programs = for size <- 1..100, do: {size, Fake.program(engine, "echo", [{:uint8, {size}}])}

    for _ <- 1..2, {size, program} <- programs do
      bytes = :binary.copy(<<size>>, size)
      assert [%{data: ^bytes}] = Davit.run(program, [bytes])
    end

    assert map_size(Process.get(Davit.Run.Plain)) <= 64
  end

  test "bad inputs are named", %{engine: engine} do
    program = Fake.program(engine, "echo", [{:float32, {2}}])

    for {inputs, message} <- [
          {[], ~r/got 0 inputs, but the program takes 1 input \(f32\[2\]\)/},
          {[[1, 2, 3]], ~r/input 0 has the type f32\[2\]; got values of the shape \{3\}/},
          {[<<0>>], ~r/input 0 has the type f32\[2\] and 8 bytes; got 1 bytes/},
          {[["a", 1]], ~r/shape|"a"/}
        ] do
      assert_raise ArgumentError, message, fn -> Davit.run(program, inputs) end
    end
  end

  test "small results come with the answer, unless :keep or :fetch say otherwise", %{engine: engine} do
    program = Fake.program(engine, "echo")
    input = Enum.to_list(1..16)
    assert [%{ref: nil, data: <<_::512>>}] = Davit.run(program, [input])
    assert [%{ref: %{}, data: <<_::512>>} = both] = Davit.run(program, [input], keep: true)
    assert [%{ref: %{}, data: nil} = there] = Davit.run(program, [input], fetch: 0)
    assert Tensor.to_list(both) == Tensor.to_list(there)
    # A result is an input like any other.
    assert [again] = Davit.run(program, [there])
    assert Tensor.to_list(again) == Enum.map(input, &(&1 * 1.0))
  end

  test "many runs give their results in order", %{engine: engine} do
    program = Fake.program(engine, "echo", [{:int32, {}}])
    results = Davit.run_many(program, for(n <- 1..2_000, do: [n]))
    assert Enum.map(results, fn [t] -> Tensor.to_list(t) end) == Enum.to_list(1..2_000)
    assert Davit.run_many(program, []) == []
  end

  test "each process has its queue" do
    engine = Fake.start()
    session = Engine.session!(engine)
    mine = Engine.Session.queue(session)
    assert Engine.Session.queue(session) == mine
    assert Task.await(Task.async(fn -> Engine.Session.queue(session) end)) != mine
  end

  describe "async" do
    test "is a task: await and yield return the outputs", %{engine: engine} do
      program = Fake.program(engine, "echo", [{:int32, {}}])
      assert [two] = Task.await(Davit.async(program, [2]))
      assert Tensor.to_list(two) == 2
      assert {:ok, [three]} = Task.yield(Davit.async(program, [3]), :infinity)
      assert Tensor.to_list(three) == 3
    end

    test "ends with the exception of its run", %{engine: engine} do
      Process.flag(:trap_exit, true)

      capture_log(fn ->
        task = Davit.async(Fake.program(engine, "fail"), [<<0::512>>])
        assert {{%EngineError{code: :shape_invalid}, stack}, _} = catch_exit(Task.await(task))
        assert is_list(stack)
      end)
    end

    test "is cancelled in the engine when the task is shut down" do
      engine = Fake.start()
      session = Engine.session!(engine)
      task = Davit.async(Fake.program(engine, "hang"), [<<0::512>>])
      Fake.eventually(fn -> Engine.Routes.waiting?(session.routes, task.pid) end)
      assert Task.yield(task, 0) == nil
      assert Task.shutdown(task) == nil
      Fake.eventually(fn -> match?([[_, "caller died"]], Engine.info(engine)["cancelled"]) end)
    end
  end

  describe "hooks" do
    test "run in the calling process, in order, before the result", %{engine: engine} do
      program = Fake.program(engine, "events:100")
      me = self()

      handler = fn tag ->
        fn event ->
          assert self() == me
          send(me, {tag, event.seq, event.path, event.name, event.label})
          assert [%Tensor{type: {:float32, {16}}}] = event.values
        end
      end

      hooks = [{"h", handler.(:a)}, {{:label, "l*"}, handler.(:b), policy: :latest, view: :full}]
      assert [_] = Davit.run(program, [Enum.to_list(1..16)], hooks: hooks)

      for tag <- [:a, :b], seq <- 0..99 do
        assert {:messages, [{^tag, ^seq, [^seq], "h", "layer.0"} | _]} = Process.info(me, :messages)
        assert_receive {^tag, _, _, _, _}
      end

      assert {_, []} = Process.info(me, :messages)
    end

    test "a raise cancels the run and is raised again with its stack", %{engine: engine} do
      program = Fake.program(engine, "events:100")
      hooks = [{"h", &fail_at(&1, 40)}]

      {error, stack} =
        try do
          Davit.run(program, [Enum.to_list(1..16)], hooks: hooks)
        rescue
          error -> {error, __STACKTRACE__}
        end

      assert error.message == "at 40"
      assert Enum.any?(stack, &match?({__MODULE__, :fail_at, 2, _}, &1))
      assert [[_, "its caller raised"]] = Engine.info(engine)["cancelled"]
      assert {_, []} = Process.info(self(), :messages)
      refute Engine.Routes.waiting?(Engine.session!(engine).routes, self())
    end

    test "a throw and an exit too", %{engine: engine} do
      program = Fake.program(engine, "events:3")

      assert catch_throw(Davit.run(program, [<<0::512>>], hooks: [{"h", fn _ -> throw(:ball) end}])) ==
               :ball

      assert catch_exit(Davit.run(program, [<<0::512>>], hooks: [{"h", fn _ -> exit(:away) end}])) ==
               :away
    end

    test "handlers may run programs, whose parent is the run", %{engine: engine} do
      program = Fake.program(engine, "events:2")
      echo = Fake.program(engine, "echo")

      hook = fn event ->
        assert [again] = Davit.run(echo, event.values)
        assert again.data == hd(event.values).data
      end

      assert [_] = Davit.run(program, [Enum.to_list(1..16)], hooks: [{"h", hook}])
    end

    test "an invalid hook is named", %{engine: engine} do
      program = Fake.program(engine, "echo")

      for {hooks, message} <- [
            {["h"], ~r/expected \{match, function of an event\}/},
            {[{"h", fn -> 1 end}], ~r/expected \{match, function of an event\}/},
            {[{:some, & &1}], ~r/as a match, got :some/},
            {[{"h", & &1, policy: :often}], ~r/as a policy, got :often/},
            {[{"h", & &1, view: :half}], ~r/as a view, got :half/},
            {[{fn _ -> 1 end, & &1}], ~r/&Mod.fun\/1/}
          ] do
        assert_raise ArgumentError, message, fn ->
          Davit.run(program, [<<0::512>>], hooks: hooks)
        end
      end
    end
  end

  def fail_at(event, seq), do: if(event.seq == seq, do: raise("at #{seq}"), else: nil)

  test "prints go to the caller's group leader", %{engine: engine} do
    program = Fake.program(engine, "print", [{:float32, {2}}])

    assert capture_io(fn -> Davit.run(program, [[1, 2]]) end) ==
             "h (layer.0) at [0]: #Davit.Tensor<f32[2] [1.0, 2.0]>\n"

    assert capture_io(fn -> Davit.run(program, [[1, 2]], print: false) end) == ""
  end

  describe "calls" do
    test "the handler's value is the answer", %{engine: engine} do
      program = Fake.program(engine, "callback", [{:float32, {2}}])
      handler = fn event -> Enum.map(Tensor.to_list(hd(event.values)), &(&1 * 2)) end
      assert [t] = Davit.run(program, [[1, 2]], callbacks: [{"ask", handler}])
      assert Tensor.to_list(t) == [2.0, 4.0]
      assert [t] = Davit.run(program, [[1, 2]], callbacks: [{:all, fn e -> hd(e.values) end}])
      assert Tensor.to_list(t) == [1.0, 2.0]
    end

    test "several values are a tuple", %{engine: engine} do
      program = Fake.program(engine, "callback", [{:float32, {}}, {:int8, {2}}])
      assert [a, b] = Davit.run(program, [1, [1, 2]], callbacks: [{"ask", fn _ -> {7, [8, 9]} end}])
      assert {Tensor.to_list(a), Tensor.to_list(b)} == {7.0, [8, 9]}
    end

    test "no handler, a wrong value, a raise: the run fails with that", %{engine: engine} do
      program = Fake.program(engine, "callback", [{:float32, {2}}])
      run = fn calls -> Davit.run(program, [[1, 2]], callbacks: calls) end
      error = assert_raise EngineError, fn -> run.([{"other", & &1}]) end
      assert {error.code, error.message =~ "ask"} == {:handler_missing, true}

      wrong = fn _ -> Tensor.from_list([1], :int8) end
      message = ~r/ask has to return f32\[2\], it returned s8\[1\]/
      assert_raise ArgumentError, message, fn -> run.([{"ask", wrong}]) end
      assert_raise ArgumentError, ~r/shape/, fn -> run.([{"ask", fn _ -> [1, 2, 3] end}]) end
      assert_raise RuntimeError, "no", fn -> run.([{"ask", fn _ -> raise "no" end}]) end
      assert length(Engine.info(engine)["cancelled"]) == 4
      assert {_, []} = Process.info(self(), :messages)
    end
  end

  test "a timeout cancels the run and leaves nothing behind", %{engine: engine} do
    program = Fake.program(engine, "hang")
    error = assert_raise EngineError, fn -> Davit.run(program, [<<0::512>>], timeout: 20) end
    assert {error.code, error.message} == {:timeout, "no answer to run within 20 ms"}
    assert [[_, _]] = Engine.info(engine)["cancelled"]
    assert {_, []} = Process.info(self(), :messages)
    assert [_] = Davit.run(Fake.program(engine, "echo"), [<<0::512>>])
  end

  test "a full mailbox does not slow a run down", %{engine: engine} do
    program = Fake.program(engine, "echo")
    # Off the heap, or it is the garbage collector that is measured.
    Process.flag(:message_queue_data, :off_heap)

    time = fn ->
      Enum.min(for _ <- 1..200, do: elem(:timer.tc(fn -> Davit.run(program, [<<0::512>>]) end), 0))
    end

    before = time.()
    for _ <- 1..300_000, do: send(self(), :junk)
    # Scanning it once takes several milliseconds.
    assert time.() < before + 1_000
  end
end
