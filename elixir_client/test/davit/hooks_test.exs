defmodule Davit.HooksTest do
  use ExUnit.Case, async: true
  import ExUnit.CaptureLog

  alias Davit.{Engine, EngineError, Fake, Hooks}

  setup do
    %{engine: Fake.start()}
  end

  defp input, do: Enum.to_list(1..16)

  test "events reach the subscriber in order, and their credit is returned", %{engine: engine} do
    program = Fake.program(engine, "events:500")
    {:ok, ref} = Hooks.subscribe("h", engine: engine)
    assert [_] = Davit.run(program, [input()])

    for seq <- 0..499 do
      assert_receive {:davit_hook, ^ref, event}
      assert %{seq: ^seq, path: [^seq], dropped: 0, name: "h", label: "layer.0"} = event
      assert Hooks.Event.to_list(event) == Enum.map(input(), &(&1 * 1.0))
    end

    Fake.eventually(fn -> Map.values(Engine.info(engine)["consumed"]) == [500 * 128] end)
    assert [subscription] = Engine.info(engine)["subscriptions"]
    assert %{"match" => ["name", "h"], "policy" => "every", "view" => "full"} = subscription
  end

  test "an event with other than one tensor has no list" do
    event = %Hooks.Event{site: %Hooks.Site{kind: :hook, name: "h"}}

    for {values, message} <- [
          {[%{mean: 1.0}], ~r/the event of h to have a tensor, got %{mean: 1.0}/},
          {[{:omitted, 40_000_000}], ~r/to have a tensor, got {:omitted, 40000000}/},
          {[], ~r/h has 0 values, not one/}
        ] do
      assert_raise ArgumentError, message, fn -> Hooks.Event.to_list(%{event | values: values}) end
    end
  end

  test "unsubscribing ends it", %{engine: engine} do
    program = Fake.program(engine, "events:3")

    {:ok, ref} = Hooks.subscribe(:all, engine: engine, policy: {:sample, 2}, view: {:summary, 4})

    assert [%{"policy" => ["sample", 2], "view" => ["summary", 4]}] =
             Engine.info(engine)["subscriptions"]

    assert :ok = Hooks.unsubscribe(ref)
    assert :ok = Hooks.unsubscribe(ref)
    assert Engine.info(engine)["subscriptions"] == []
    Davit.run(program, [input()])
    refute_received {:davit_hook, _, _}
  end

  test "a dead subscriber is unsubscribed", %{engine: engine} do
    {pid, monitor} = spawn_monitor(fn -> receive(do: (:end -> :ok)) end)
    {:ok, _} = Hooks.subscribe("h", subscriber: pid, engine: engine)
    assert [_] = Engine.info(engine)["subscriptions"]
    send(pid, :end)
    assert_receive {:DOWN, ^monitor, _, _, _}
    Fake.eventually(fn -> Engine.info(engine)["subscriptions"] == [] end)
  end

  test "a refusal of the engine is returned, and an invalid match raises", %{engine: engine} do
    assert {:error, %EngineError{message: "no"}} = Hooks.subscribe("refuse me", engine: engine)

    assert_raise ArgumentError, ~r/as a match/, fn ->
      Hooks.subscribe(17, engine: engine)
    end

    assert_raise EngineError, fn -> Hooks.stream("refuse me", engine: engine) |> Enum.take(1) end
  end

  test "a reader that does not read gets no more credit, until it reads", %{engine: engine} do
    program = Fake.program(engine, "events:300")
    test = self()

    # It reads one message whenever it is told to.
    reader = spawn_link(fn -> read_on_demand(test) end)
    {:ok, _} = Hooks.subscribe("h", subscriber: reader, engine: engine, max_queue: 100)
    Davit.run(program, [input()])
    # Two batches of 32 are more than half of 100.
    full = fn -> Process.info(reader, :message_queue_len) == {:message_queue_len, 300} end
    Fake.eventually(full)
    [held] = Map.values(Engine.info(engine)["consumed"])
    assert held == 32 * 128

    send(reader, :read_all)
    assert_receive {:read, 300}
    Fake.eventually(fn -> Map.values(Engine.info(engine)["consumed"]) == [300 * 128] end)
  end

  defp read_on_demand(test) do
    receive(do: (:read_all -> :ok))
    send(test, {:read, drain(0)})
    receive(do: (:end -> :ok))
  end

  defp drain(count) do
    receive do
      {:davit_hook, _, _} -> drain(count + 1)
    after
      0 -> count
    end
  end

  test "a subscriber that waits for the engine itself is not held back", %{engine: engine} do
    program = Fake.program(engine, "events:300")
    hang = Fake.program(engine, "hang")
    test = self()

    waiter =
      spawn_link(fn ->
        {:ok, _} = Hooks.subscribe("h", engine: engine, max_queue: 10)
        send(test, :subscribed)
        Davit.run(hang, [input()])
      end)

    assert_receive :subscribed
    Fake.eventually(fn -> Engine.Routes.waiting?(Engine.session!(engine).routes, waiter) end)
    Davit.run(program, [input()])
    Fake.eventually(fn -> Map.values(Engine.info(engine)["consumed"]) == [300 * 128] end)
    Process.unlink(waiter)
    Process.exit(waiter, :kill)
  end

  test "a subscription is made again on the next engine", %{engine: engine} do
    {:ok, ref} = Hooks.subscribe("h", engine: engine)
    kill = Fake.program(engine, "kill")
    assert_raise EngineError, fn -> Davit.run(kill, [input()]) end
    program = Fake.program(engine, "events:1")
    Fake.eventually(fn -> match?([_], Engine.info(engine)["subscriptions"]) end)
    Davit.run(program, [input()])
    assert_receive {:davit_hook, ^ref, %{seq: 0}}
    assert :ok = Hooks.unsubscribe(ref)
  end

  test "a subscription that the next engine refuses ends, with a warning in the log", %{
    engine: engine
  } do
    path = Path.join(System.tmp_dir!(), "davit-#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm(path) end)
    kill = Fake.program(engine, "kill")
    {:ok, ref} = Hooks.subscribe(path, engine: engine)
    File.write!(path, "")

    log =
      capture_log(fn ->
        [{feed, _}] = Registry.lookup(Davit.Hooks.Registry, ref)
        monitor = Process.monitor(feed)
        assert_raise EngineError, fn -> Davit.run(kill, [input()]) end
        assert_receive {:DOWN, ^monitor, _, _, _}
      end)

    assert_received {:davit_hook_down, ^ref, %EngineError{code: :match_invalid}}

    assert log =~ "subscription"
    assert log =~ inspect(self())
    assert :ok = Hooks.unsubscribe(ref)
  end

  describe "a stream" do
    test "whose :started function raises leaves no subscription behind", %{engine: engine} do
      options = [engine: engine, started: fn -> raise "no" end]
      assert_raise RuntimeError, fn -> "h" |> Hooks.stream(options) |> Enum.take(1) end
      assert Engine.info(engine)["subscriptions"] == []
      Davit.run(Fake.program(engine, "events:1"), [input()])
      assert Process.info(self(), :messages) == {:messages, []}
      {:monitors, monitors} = Process.info(self(), :monitors)
      refute {:process, Engine.session!(engine).owner} in monitors
    end

    test "returns events as they arrive, and ends with its reader", %{engine: engine} do
      program = Fake.program(engine, "events:100")
      test = self()
      options = [engine: engine, started: fn -> send(test, :started) end]

      reader =
        Task.async(fn ->
          "h" |> Hooks.stream(options) |> Stream.map(& &1.seq) |> Enum.take(70)
        end)

      assert_receive :started
      Davit.run(program, [input()])
      assert Task.await(reader) == Enum.to_list(0..69)
      assert Engine.info(engine)["subscriptions"] == []
      # Two batches were taken whole, the third in part.
      assert Map.values(Engine.info(engine)["consumed"]) == [2 * 32 * 128]
    end

    test "raises when the engine dies", %{engine: engine} do
      kill = Fake.program(engine, "kill")
      test = self()
      options = [engine: engine, started: fn -> send(test, :started) end]

      reader =
        Task.async(fn ->
          assert_raise EngineError, fn -> "h" |> Hooks.stream(options) |> Enum.take(1) end
        end)

      assert_receive :started
      assert_raise EngineError, fn -> Davit.run(kill, [input()]) end
      assert Task.await(reader).code == :engine_lost
    end
  end

  test "views: slices have their own shape, summaries are maps" do
    alias Davit.Hooks.{Event, Site}
    sites = %{0 => %Site{number: 0, kind: :hook, types: [{:uint8, {4, 3}}]}}
    event = fn value -> [0, 0, 1, 0, [], 2, [value]] end
    slice = ["slice", [3], [2]]

    assert [{0, %{values: [tensor], dropped: 2}}] =
             Event.decode([event.({:bin, <<1, 2, 3>>})], {}, sites, %{0 => slice})

    assert tensor.type == {:uint8, {1, 3}}
    summary = %{"count" => 12, "min" => :nan, "histogram" => [1, 2]}

    assert [{0, %{values: [%{count: 12, min: :nan, histogram: [1, 2]}]}}] =
             Event.decode([event.(summary)], {}, sites, %{})

    assert [{0, %{values: [t]}}] =
             Event.decode([event.(["attachment", 0])], {<<0::96>>}, sites, %{})

    assert t.type == {:uint8, {4, 3}}

    assert [{0, %{values: [{:omitted, 1000}]}}] =
             Event.decode([event.(["omitted", 1000])], {}, sites, %{})
  end
end
