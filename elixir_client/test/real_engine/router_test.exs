defmodule Davit.RealEngine.RouterTest do
  # Subscriptions on the real engine: what they match, when they begin and end, what they leave out, what they show.
  use ExUnit.Case, async: false
  @moduletag :engine

  alias Davit.{Engine, Hooks, Real, Tensor}
  alias Davit.Graph, as: G

  setup_all do
    :ok = Engine.await()
    on_exit(fn -> Engine.stop() end)
  end

  @scalar {:float32, {}}

  def named_elsewhere(_event), do: :ok

  defp load(fun, options \\ []), do: [@scalar] |> G.build(fun) |> Davit.load(options)
  defp value(event), do: Hooks.Event.to_list(event)

  # Counts for ever, with a hook and a labelled node in every iteration.
  defp endless do
    load(fn x ->
      G.while(x, &G.greater_equal(&1, 0), fn x ->
        x |> G.add(1, label: "step.add") |> G.hook("tick", label: "step.tick")
      end)
    end)
  end

  defp counting(count) do
    load(fn x -> G.for_loop(count, x, fn _, y -> y |> G.add(1) |> G.hook("count") end) end)
  end

  defp subscribe!(match, options \\ []) do
    {:ok, ref} = Hooks.subscribe(match, options)
    ref
  end

  # What a subscription has sent by now.
  defp events(ref) do
    receive do
      {:davit_hook, ^ref, event} -> [event | events(ref)]
    after
      0 -> []
    end
  end

  test "every subscriber and handler gets a run's events before its result, by its own policy and view" do
    program =
      load(fn x ->
        x
        |> G.add(1, label: "layer.0.add")
        |> G.hook("a", label: "layer.0.out")
        |> G.hook(&__MODULE__.named_elsewhere/1)
        |> G.hook("b")
        |> G.print("p", label: "layer.1.print")
      end)

    expected = [
      {"a", ~w(a)},
      {{:name, "b"}, ~w(b)},
      {{:id, Hooks.Id.named("a")}, ~w(a)},
      {&__MODULE__.named_elsewhere/1, ["&Davit.RealEngine.RouterTest.named_elsewhere/1"]},
      {{:label, "layer.*"}, ~w(a p)},
      {{:label, "layer.?.out"}, ~w(a)},
      # Without a label the name counts.
      {{:label, "?"}, ~w(b)},
      {{:probe, "layer.0.*"}, [nil, "a"]},
      {:all, ["a", "&Davit.RealEngine.RouterTest.named_elsewhere/1", "b", "p"]},
      {{:name, "nobody"}, []},
      {{:id, Hooks.Id.named("nobody")}, []},
      {{:label, "LAYER.*"}, []}
    ]

    # Each of them twice: one does not take it from another.
    subscriptions = for {match, names} <- expected ++ expected, do: {subscribe!(match), names}
    assert [_] = Davit.run(program, [1], print: false)

    for {{ref, names}, {match, _}} <- Enum.zip(subscriptions, expected ++ expected) do
      # Nothing is waited for: all is here when the run has returned.
      heard = events(ref)
      # A print that the run silences is not printed; who subscribed to it gets it.
      assert {match, Enum.map(heard, & &1.name)} == {match, names}
      assert Enum.all?(heard, &(value(&1) == 2.0))
      Hooks.unsubscribe(ref)
    end

    assert [_] = Davit.run(program, [1], print: false)
    assert {:messages, []} = Process.info(self(), :messages)
  end

  test "all events have arrived when a run returns or fails, however many there are" do
    ref = subscribe!("count")

    for count <- [1, 10, 1_000, 20_000] do
      assert [_] = Davit.run(counting(count), [0])
      assert Enum.map(events(ref), & &1.seq) == Enum.to_list(0..(count - 1))
    end

    failing =
      load(fn x ->
        y = G.for_loop(500, x, fn _, y -> y |> G.add(1) |> G.hook("count") end)
        y |> G.broadcast_to(shape: [2, 2]) |> G.linalg_inv() |> G.sum()
      end)

    assert_raise Davit.EngineError, fn -> Davit.run(failing, [0]) end
    assert Enum.map(events(ref), & &1.seq) == Enum.to_list(0..499)

    # A probe on a program that has no hook.
    probe = subscribe!({:probe, "y"})
    plain = load(&G.add(&1, 1, label: "y"))

    for n <- 1..100 do
      Davit.run(plain, [n])
      assert [event] = events(probe)
      assert value(event) == n + 1.0
    end

    Enum.each([ref, probe], &Hooks.unsubscribe/1)
  end

  test "a subscriber has the events before it gets a result from the caller" do
    test = self()
    program = counting(300)

    listener =
      spawn_link(fn ->
        ref = subscribe!("count")
        send(test, :subscribed)
        listen(test, ref)
      end)

    assert_receive :subscribed

    for _ <- 1..50 do
      Davit.run(program, [0])
      send(listener, :returned)
      assert_receive {:heard, 300}
    end
  end

  defp listen(test, ref) do
    receive do
      :returned -> send(test, {:heard, length(events(ref))})
    end

    listen(test, ref)
  end

  describe "while a run is under way" do
    setup do
      program = endless()
      # It tells that it is under way: somebody subscribed before it began.
      ref = subscribe!("tick", policy: :latest)
      pid = spawn(fn -> Davit.run(program, [0]) end)
      assert_receive {:davit_hook, ^ref, _}
      Hooks.unsubscribe(ref)
      events(ref)
      on_exit(fn -> Process.exit(pid, :kill) end)
      %{runner: pid}
    end

    test "subscriptions come and go, and get whole iterations from the one in which they began" do
      for match <- ["tick", {:label, "step.t*"}, {:id, Hooks.Id.named("tick")}, :all] do
        ref = subscribe!(match)
        for _ <- 1..200, do: assert_receive({:davit_hook, ^ref, _})
        :ok = Hooks.unsubscribe(ref)
        last = List.last(events(ref))
        # Nothing comes after that; the run goes on, as the next subscription shows.
        refute_received {:davit_hook, ^ref, _}
        assert last == nil or match?([_], last.path)
      end

      # A probe on a node that is no hook: the program was compiled without it.
      ref = subscribe!({:probe, "step.add"})
      seen = for _ <- 1..200, do: assert_receive({:davit_hook, ^ref, _}) |> elem(2)
      [first | _] = seen
      assert first.name == nil and first.site.kind == :node
      [i] = first.path
      assert i > 0
      # Every iteration from then on, once, in order.
      assert Enum.map(seen, & &1.path) == for(n <- i..(i + 199), do: [n])
      :ok = Hooks.unsubscribe(ref)
      events(ref)
      other = subscribe!("tick")
      for _ <- 1..10, do: assert_receive({:davit_hook, ^other, _})
      refute_received {:davit_hook, ^ref, _}
      Hooks.unsubscribe(other)
    end

    test "a subscriber may die without effect on the run", %{runner: runner} do
      test = self()

      for _ <- 1..20 do
        {reader, monitor} =
          spawn_monitor(fn ->
            ref = subscribe!("tick", max_queue: 1)
            receive do: ({:davit_hook, ^ref, _} -> send(test, :heard))
            exit(:enough)
          end)

        assert_receive :heard
        assert_receive {:DOWN, ^monitor, _, ^reader, :enough}
      end

      ref = subscribe!("tick")
      for _ <- 1..100, do: assert_receive({:davit_hook, ^ref, _})
      assert Process.alive?(runner)
      Hooks.unsubscribe(ref)
    end
  end

  test "a mailbox never holds more than :max_queue events, however small they are" do
    program = counting(5_000)
    test = self()

    reader =
      spawn_link(fn ->
        receive do: (:read -> :ok)
        lengths = for n <- 0..4_999, do: length_at(n)
        send(test, {:longest, Enum.max(lengths)})
      end)

    {:ok, ref} = Hooks.subscribe("count", subscriber: reader, max_queue: 100)
    run = Task.async(fn -> Davit.run(program, [0]) end)
    length = fn -> elem(Process.info(reader, :message_queue_len), 1) end
    Davit.Fake.eventually(fn -> length.() >= 50 end)
    # The engine has time for more.
    for _ <- 1..200, do: Davit.Engine.info()
    assert length.() <= 100
    send(reader, :read)
    assert_receive {:longest, longest}, 60_000
    # And `:read`.
    assert longest <= 101
    assert [_] = Task.await(run, 60_000)
    Hooks.unsubscribe(ref)
  end

  # How long the mailbox is, and the n-th event out of it.
  defp length_at(n) do
    {:message_queue_len, length} = Process.info(self(), :message_queue_len)
    receive do: ({:davit_hook, _, %{path: [^n]}} -> length)
  end

  describe "a policy" do
    # The events of several runs that fire `count` times each, and how many firings those stand for.
    defp told(policy, count, runs) do
      program = counting(count)
      ref = subscribe!("count", policy: policy)

      heard =
        Enum.flat_map(1..runs, fn _ ->
          Davit.run(program, [0])
          events(ref)
        end)

      Hooks.unsubscribe(ref)
      {heard, length(heard) + Enum.sum(Enum.map(heard, & &1.dropped))}
    end

    test "every sends all events" do
      {heard, 3_000} = told(:every, 1_000, 3)
      assert Enum.all?(heard, &(&1.dropped == 0))
    end

    test "sample takes the first and every n-th after it, also across runs" do
      {heard, _} = told({:sample, 300}, 1_000, 3)
      # 0, 300, 600, 900; 1200, 1500, 1800; 2100, 2400, 2700.
      assert Enum.map(heard, & &1.path) == for(n <- 0..2700//300, do: [rem(n, 1000)])
      assert Enum.map(heard, & &1.dropped) == [0 | List.duplicate(299, 9)]
    end

    test "latest sends the newest event and the number of those it dropped" do
      {heard, told} = told(:latest, 1_000, 1)
      assert told == 1_000
      assert List.last(heard).path == [999]
    end

    test "rate sends a limited number of events per second and the number of those it dropped" do
      program = counting(1)
      ref = subscribe!("count", policy: {:rate, 20})
      begin = System.monotonic_time(:millisecond)
      assert {%{dropped: 0}, 1} = run_until_heard(program, ref, 0)
      {second, runs} = run_until_heard(program, ref, 0)
      assert System.monotonic_time(:millisecond) - begin >= 50
      # How many that are depends on the machine.
      assert second.dropped == runs - 1
      Hooks.unsubscribe(ref)
    end

    defp run_until_heard(program, ref, runs) do
      Davit.run(program, [0])

      case events(ref) do
        [event] -> {event, runs + 1}
        [] -> run_until_heard(program, ref, runs + 1)
      end
    end

    test "that may drop events never delays a run, however slow the reader" do
      engine = Real.start([], limits: %{hook_credit: 1_000})
      test = self()

      program =
        load(
          fn x -> G.for_loop(20_000, x, fn _, y -> y |> G.add(1) |> G.hook("count") end) end,
          engine: engine
        )

      for policy <- [:latest, {:sample, 1}, {:rate, 1_000_000}] do
        reader =
          spawn_link(fn ->
            receive do: (:read -> send(test, Process.info(self(), :messages)))
          end)

        {:ok, ref} =
          Hooks.subscribe("count", subscriber: reader, policy: policy, engine: engine, max_queue: 1)

        assert [sum] = Davit.run(program, [0], timeout: 60_000)
        assert Tensor.to_list(sum) == 20_000.0
        # It has not read at all, so it was sent no more than the credit.
        send(reader, :read)
        assert_receive {:messages, messages}
        assert length(messages) in 1..50
        Hooks.unsubscribe(ref)
      end
    end
  end

  describe "a view" do
    @rows for i <- 0..2, do: for(j <- 0..3, do: i * 4 + j + 0.0)

    defp viewed(view) do
      program = [{:float32, {3, 4}}] |> G.build(&G.hook(&1, "m")) |> Davit.load()
      ref = subscribe!("m", view: view)
      test = self()
      hooks = [{"m", &send(test, {:own, Hooks.Event.value(&1)}), view: view}]
      Davit.run(program, [@rows], hooks: hooks)
      assert [event] = events(ref)
      Hooks.unsubscribe(ref)
      # A run's own subscription and a standing one are shown the same.
      assert_received {:own, own}
      assert own == Hooks.Event.value(event)
      own
    end

    test "is the whole value, or a slice that is clipped to its shape" do
      assert Tensor.to_list(viewed(:full)) == @rows

      for {starts, sizes, rows} <- [
            {[1, 1], [2, 2], [[5.0, 6.0], [9.0, 10.0]]},
            {[2], [10], [[8.0, 9.0, 10.0, 11.0]]},
            {[0, 3], [3, 9], [[3.0], [7.0], [11.0]]},
            {[5, 0], [1, 1], []}
          ] do
        assert %Tensor{type: {:float32, shape}} = part = viewed({:slice, starts, sizes})
        assert Tensor.to_list(part) == rows
        assert elem(shape, 0) == length(rows)
      end
    end

    test "is a summary" do
      assert %{count: 12, min: 0.0, max: 11.0, mean: 5.5, nan: 0, inf: 0, histogram: []} =
               viewed(:summary)

      assert %{histogram: [4, 4, 4], std: std} = viewed({:summary, 3})
      assert_in_delta std, 3.45205, 1.0e-4
      nans = [{:float32, {4}}] |> G.build(&(&1 |> G.log() |> G.hook("m"))) |> Davit.load()
      ref = subscribe!("m", view: {:summary, 2})
      Davit.run(nans, [[-1, 0, 1, -1]])
      assert [%{values: [summary]}] = events(ref)
      assert %{count: 4, nan: 2, inf: 1, min: 0.0, max: 0.0, mean: 0.0} = summary
      assert Enum.sum(summary.histogram) == 1
      Hooks.unsubscribe(ref)
    end
  end

  test "a refusal names the bad part and what was expected" do
    for {match, options, message} <- [
          {{:label, 3}, [], ~r/as a match, got \{:label, 3\}/},
          {{:id, "short"}, [], ~r/16 bytes.*got \{:id, "short"\}/},
          {fn _ -> 1 end, [], ~r/only functions like &Mod.fun\/1 have an id/},
          {"x", [policy: {:sample, 0}], ~r/as a policy, got \{:sample, 0\}/},
          {"x", [policy: :never], ~r/as a policy, got :never/},
          {"x", [policy: {:rate, 1.0e300}], ~r/as a policy, got \{:rate, 1.0e300\}/},
          {"x", [view: {:slice, 1, 2}], ~r/as a view, got \{:slice, 1, 2\}/}
        ] do
      assert_raise ArgumentError, message, fn -> Hooks.subscribe(match, options) end
    end

    for {match, options, code, message} <- [
          {{:label, String.duplicate("*", 5_000)}, [], :match_invalid, "a match is"},
          {"x", [view: {:slice, [-1], [2]}], :view_invalid, ~s("start":[-1])},
          {"x", [view: {:slice, [1], [2, 3]}], :view_invalid, ~s("size":[2,3])},
          {"x", [view: {:summary, 1_000_000_000}], :view_invalid, "1000000000"}
        ] do
      assert {:error, error} = Hooks.subscribe(match, options)
      assert error.code == code
      assert error.message =~ message
      assert error.message =~ "expected"
    end

    assert Hooks.unsubscribe(make_ref()) == :ok
    # The engine and the subscriptions of others go on.
    ref = subscribe!("count")
    Davit.run(counting(1), [0])
    assert [_] = events(ref)
    Hooks.unsubscribe(ref)
  end
end
