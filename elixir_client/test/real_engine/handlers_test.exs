defmodule Davit.RealEngine.HandlersTest do
  # Handlers and subscribers that misbehave, on the real engine.
  use ExUnit.Case, async: false
  import ExUnit.CaptureLog
  @moduletag :engine

  alias Davit.{Engine, EngineError, Fake, Hooks, Real, Tensor}
  alias Davit.Graph, as: G

  setup_all do
    :ok = Engine.await()
    on_exit(fn -> Engine.stop() end)
  end

  @x {:float32, {}}

  defp load(fun, options \\ []), do: [@x] |> G.build(fun) |> Davit.load(options)
  defp number([tensor]), do: Tensor.to_list(tensor)
  defp value(event), do: Hooks.Event.to_list(event)

  defp asking(options \\ []) do
    load(
      fn x -> G.for_loop(3, x, fn _, y -> y |> G.callback("ask", @x) |> G.add(1) end) end,
      options
    )
  end

  # A queue runs one program after the other: this one is over when those before it are.
  defp over?(queue) do
    number(Davit.run(load(&G.add(&1, 1)), [1], queue: queue, timeout: 20_000)) == 2.0
  end

  defp new_queue, do: Engine.Session.next_id(Engine.session!())

  describe "a handler that does not answer" do
    test "because its process is killed ends the run at once" do
      for {graph, kind} <- [{&G.callback(&1, "ask", @x), :callbacks}, {flood(), :hooks}] do
        {test, queue, program} = {self(), new_queue(), load(graph)}

        handler = fn _ ->
          send(test, {:in, self()})
          receive(do: (:never -> :ok))
        end

        pid = spawn(fn -> Davit.run(program, [1], [{kind, [{"ask", handler}]}, queue: queue]) end)
        assert_receive {:in, ^pid}
        Process.exit(pid, :kill)
        assert over?(queue)
      end
    end

    # More events than a run may have in flight.
    defp flood do
      fn x -> G.for_loop(1_000_000, x, fn _, y -> y |> G.add(1) |> G.hook("ask") end) end
    end

    test "in time ends the run at once; the caller gets the error when the handler returns" do
      for {graph, kind} <- [{&G.callback(&1, "ask", @x), :callbacks}, {flood(), :hooks}] do
        {test, queue, program} = {self(), new_queue(), load(graph)}

        handler = fn event ->
          send(test, {:in, event.seq})
          if event.seq == 0, do: receive(do: (:go -> 7)), else: 7
        end

        task =
          Task.async(fn ->
            options = [{kind, [{"ask", handler}]}, queue: queue, timeout: 500]
            error = assert_raise EngineError, fn -> Davit.run(program, [1], options) end
            {error.code, Process.info(self(), :messages)}
          end)

        assert_receive {:in, 0}
        # The handler has not returned.
        assert over?(queue)
        send(task.pid, :go)
        assert Task.await(task) == {:timeout, {:messages, []}}
        # Of the events that were there already it has seen those of one message at most.
        assert {:messages, seen} = Process.info(self(), :messages)
        assert length(seen) < 64
        for _ <- seen, do: receive(do: ({:in, _} -> :ok))
      end
    end

    test "but raises, throws or exits does so in the caller, and ends the run" do
      program = asking()

      for {failure, caught} <- [
            {fn -> raise "no" end, {:error, %RuntimeError{message: "no"}}},
            {fn -> throw(:ball) end, {:throw, :ball}},
            {fn -> exit(:away) end, {:exit, :away}}
          ] do
        queue = new_queue()

        result =
          try do
            Davit.run(program, [1], callbacks: [{"ask", fn _ -> failure.() end}], queue: queue)
          catch
            kind, reason -> {kind, reason}
          end

        assert result == caught
        assert {:messages, []} = Process.info(self(), :messages)
        assert over?(queue)
      end
    end
  end

  describe "a handler that runs programs" do
    # Each level doubles what the level below makes of the value, in a loop of two.
    defp nested(0, options), do: fn x -> number(Davit.run(load(&G.add(&1, 1), options), [x])) end

    defp nested(depth, options) do
      inner = nested(depth - 1, options)

      program =
        load(
          fn x -> G.for_loop(2, x, fn _, y -> y |> G.callback("in", @x) |> G.multiply(2) end) end,
          options
        )

      fn x ->
        number(Davit.run(program, [x], callbacks: [{"in", fn event -> inner.(value(event)) end}]))
      end
    end

    defp expected(0, x), do: x + 1

    defp expected(depth, x),
      do: 2 * expected(depth - 1, 2 * expected(depth - 1, x))

    test "works three deep, in loops" do
      assert nested(3, []).(1.0) == expected(3, 1.0)
    end

    test "works with a single thread, from several processes" do
      options = [engine: Real.start(["--lanes", "1"])]
      tasks = for n <- 1..4, do: Task.async(fn -> nested(3, options).(n / 1) end)
      assert Task.await_many(tasks, 30_000) == for(n <- 1..4, do: expected(3, n / 1))
    end

    test "works in another process than the one that waits" do
      handler = fn event -> Task.await(Task.async(fn -> nested(1, []).(value(event)) end)) end
      assert number(Davit.run(asking(), [1], callbacks: [{"ask", handler}])) == asked(3, 1.0)
    end

    defp asked(0, x), do: x
    defp asked(n, x), do: asked(n - 1, expected(1, x) + 1)

    test "raises the innermost exception through all levels" do
      test = self()
      ask = fn fun -> [callbacks: [{"ask", fn event -> fun.(value(event)) end}]] end
      program = asking()
      innermost = fn x -> raise ArgumentError, "at #{x}" end
      middle = fn x -> number(Davit.run(program, [x + 1], ask.(innermost))) end
      outer = fn x -> number(Davit.run(program, [x + 1], ask.(middle))) end
      queue = new_queue()
      options = [queue: queue] ++ ask.(outer)
      assert_raise ArgumentError, "at 3.0", fn -> Davit.run(program, [1], options) end
      assert {:messages, []} = Process.info(test, :messages)
      assert over?(queue)
      assert number(Davit.run(program, [1], ask.(&(&1 * 2)))) == 15.0
    end

    test "may run them on another engine, whose handlers run programs on the first" do
      other = [engine: Real.start()]
      back = fn event -> number(Davit.run(load(&G.multiply(&1, 3)), [value(event)])) end
      there = load(&(&1 |> G.callback("back", @x) |> G.add(1)), other)

      handler = fn event ->
        number(Davit.run(there, [value(event)], callbacks: [{"back", back}]))
      end

      # Three times 3x + 1, + 1 each.
      assert number(Davit.run(asking(), [1], callbacks: [{"ask", handler}])) == 53.0
      tensor = Tensor.from_list(1.0, :float32, other ++ [place: :engine])
      error = assert_raise EngineError, fn -> Davit.run(asking(), [%{tensor | data: nil}]) end
      assert error.code == :tensor_foreign
    end
  end

  test "a handler's value of another type fails the run, and both are named" do
    program = asking()

    for {value, message} <- [
          {Tensor.from_list([1], :int8), ~r/ask has to return f32, it returned s8\[1\]/},
          {[1, 2], ~r/f32; got values of the shape \[?\{?2/},
          {{1, 2}, ~r/ask has to return f32, it returned 1, 2/},
          {:ok, ~r/handler of ask has the type f32; :ok is not a number/},
          {nil, ~r/handler of ask has the type f32; nil is not a number/},
          {<<1, 2>>, ~r/handler of ask has the type f32 and 4 bytes; got 2 bytes/}
        ] do
      calls = [{"ask", fn _ -> value end}]
      assert_raise ArgumentError, message, fn -> Davit.run(program, [1], callbacks: calls) end
    end
  end

  test "a call without results ignores what its handler returns" do
    test = self()

    program =
      Davit.load(
        G.build([@x], fn x ->
          [] = G.callback(x, "tell", [])
          G.add(x, 1)
        end)
      )

    for returned <- [:ok, nil, 7, {1, 2}, {}, [1], Tensor.from_list([1], :int8)] do
      handler = fn event ->
        send(test, {:told, value(event)})
        returned
      end

      assert number(Davit.run(program, [1], callbacks: [{"tell", handler}])) == 2.0
      assert_received {:told, _}
    end
  end

  test "replies to no call are refused, and do not affect other runs" do
    session = Engine.session!()
    program = asking()
    late = fn request -> Engine.Session.notify(session, 0, ["reply", request, 1, [7]]) end

    handler = fn event ->
      # To another run, to another call of this one, and of a tensor that there is not.
      for request <- [event.run + 1_000_000, 0], do: late.(request)
      Engine.Session.notify(session, 0, ["reply", event.run, 999_999, []])
      value(event)
    end

    Logger.configure(level: :debug)
    on_exit(fn -> Logger.configure(level: :warning) end)

    log =
      capture_log(fn ->
        assert number(Davit.run(program, [1], callbacks: [{"ask", handler}])) == 4.0
        # The reporter has taken what came before this answer.
        assert %{} = Engine.info()
        :sys.get_state(Engine.Part.name(session.name, :reporter))
      end)

    assert length(String.split(log, "waits for a reply")) == 10
  end

  describe "a subscriber that dies" do
    test "while a run waits for its credit lets the run go on" do
      engine = Real.start([], limits: %{hook_credit: 2_000})

      program =
        load(fn x -> G.for_loop(2_000, x, fn _, y -> y |> G.add(1) |> G.hook("h") end) end,
          engine: engine
        )

      reader = spawn(fn -> receive(do: (:never -> :ok)) end)
      {:ok, _} = Hooks.subscribe("h", subscriber: reader, engine: engine, max_queue: 1)
      task = Davit.async(program, [0])
      waiting = fn -> elem(Process.info(reader, :message_queue_len), 1) end
      Fake.eventually(fn -> waiting.() > 0 end)
      # It has not read, so the run is at most as far as its credit.
      for _ <- 1..50, do: Engine.info(engine)
      assert waiting.() == 1
      assert Task.yield(task, 0) == nil
      Process.exit(reader, :kill)
      assert number(Task.await(task, :infinity)) == 2000.0
      {:ok, ref} = Hooks.subscribe("h", engine: engine)
      assert number(Davit.run(program, [0], timeout: 20_000)) == 2000.0
      for seq <- 0..1999, do: assert_receive({:davit_hook, ^ref, %{seq: ^seq}})
    end

    test "before it subscribes is an error" do
      {pid, monitor} = spawn_monitor(fn -> :ok end)
      assert_receive {:DOWN, ^monitor, _, _, _}

      assert {:error, %EngineError{code: :subscriber_down} = error} =
               Hooks.subscribe("h", subscriber: pid)

      assert error.message =~ inspect(pid)
    end
  end

  test "concurrent runs of one program never mix their events" do
    program = load(fn x -> G.for_loop(50, x, fn _, y -> y |> G.add(1) |> G.hook("h") end) end)

    check = fn start ->
      me = self()
      handler = fn event -> send(me, {event.seq, event.path, value(event), self()}) end
      assert number(Davit.run(program, [start], hooks: [{"h", handler}])) == start + 50.0
      {:messages, messages} = Process.info(me, :messages)
      assert messages == for(i <- 0..49, do: {i, [i], start + i + 1.0, me})
    end

    tasks = for n <- 1..20, do: Task.async(fn -> check.(1000.0 * n) end)
    Task.await_many(tasks, 30_000)
  end

  test "a run's own hooks get all events, however many, with little credit" do
    engine = Real.start([], limits: %{hook_credit: 1_000})
    graph = fn x -> G.for_loop(3_000, x, fn _, y -> y |> G.add(1) |> G.hook("h") end) end
    program = load(graph, engine: engine)
    counter = :counters.new(1, [])

    handler = fn event ->
      assert event.seq == :counters.get(counter, 1)
      :counters.add(counter, 1, 1)
    end

    assert number(Davit.run(program, [0], hooks: [{"h", handler}], timeout: 60_000)) == 3000.0
    assert :counters.get(counter, 1) == 3000
  end
end
