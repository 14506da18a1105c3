defmodule Davit.LifecycleTest do
  use ExUnit.Case, async: true

  alias Davit.Engine.Lifecycle
  alias Davit.EngineError

  @failed %EngineError{code: :engine_missing, message: "no command"}
  @at "2026-01-01T00:00:00Z"

  # The lifecycle after some events, and the actions of the last of them.
  defp after_events(events, lifecycle \\ %Lifecycle{}) do
    Enum.reduce(events, {lifecycle, []}, fn event, {lifecycle, _} ->
      Lifecycle.step(lifecycle, event)
    end)
  end

  defp up(now \\ 0), do: [:start, {:opened, 1}, :ready, {:hello, %{"a" => 1}, now}]
  defp ended(now \\ 0), do: {:ended, "exited with status 1", now, @at}

  describe "a start" do
    test "opens the process, greets it, and publishes its session" do
      assert {%{state: :retrying}, [:open]} = after_events([:start])
      assert {%{state: :opened, instance: 1}, []} = after_events([:start, {:opened, 1}])
      assert {%{state: :greeted}, [:greet]} = after_events([:start, {:opened, 1}, :ready])
      assert {%{state: :up}, [{:publish, %{"a" => 1}}, {:reply, [], :session}]} = after_events(up())
    end

    test "does nothing while a process runs" do
      {opened, _} = after_events([:start, {:opened, 1}])
      assert {^opened, []} = Lifecycle.step(opened, :start)
    end

    test "that takes too long is an end, unless the engine is up" do
      timeout = {:start_timeout, "was not ready within 5 ms", 0, @at}

      for events <- [[:start, {:opened, 1}], [:start, {:opened, 1}, :ready]] do
        {lifecycle, actions} = after_events(events ++ [timeout])
        assert lifecycle.state == :retrying
        assert {:withdraw, "was not ready within 5 ms at #{@at}"} in actions
      end

      assert {%{state: :up}, []} = after_events(up() ++ [timeout])
    end

    test "that fails is repeated after growing delays, and callers get the error" do
      failed = {:not_opened, 1, @failed, 0}
      assert {%{state: :retrying}, [{:start_in, 0, @failed}]} = after_events([:start, failed])
      again = [:start, failed, :start, failed]

      assert {%{state: :down}, [{:start_in, 100, @failed}, {:reply, [], {:error, @failed}}]} =
               after_events(again)

      assert {%{state: :down}, [{:start_in, 300, @failed} | _]} =
               after_events(again ++ [:start, failed])
    end
  end

  describe "an end" do
    test "withdraws the session before the requests get their error" do
      {%{state: :retrying, error: down}, actions} = after_events(up() ++ [ended()])
      death = "exited with status 1 at #{@at}"
      assert [{:withdraw, ^death}, {:fail_requests, lost}, {:start_in, 0, ^down}] = actions
      assert {lost.code, down.code} == {:engine_lost, :engine_down}
      assert lost.message == "the engine went away during the call: engine 1 #{death}"
      assert down.message == "engine 1 #{death}"
    end

    test "is described with the `bye` of this engine, not of the one before" do
      {lifecycle, [{:withdraw, death} | _]} = after_events(up() ++ [{:bye, "code: why"}, ended()])
      assert death == "exited with status 1 after saying code: why at #{@at}"

      {_, [{:withdraw, death} | _]} = after_events([:start, {:opened, 2}, ended()], lifecycle)
      assert death == "exited with status 1 at #{@at}"
    end

    test "of an engine that answered something, or was up for long, has a short delay" do
      crashes = fn events -> Enum.flat_map(1..5, fn _ -> events ++ [ended()] end) end
      start_in = fn events -> events |> after_events() |> elem(1) |> List.keyfind!(:start_in, 0) end
      assert {_, 3_000, _} = start_in.(crashes.(up()))
      assert {_, 100, _} = start_in.(crashes.(up() ++ [:served]))
      assert {_, 0, _} = start_in.(crashes.(up()) ++ up() ++ [ended(10_000)])
    end
  end

  describe "a caller that waits" do
    @patient {:await, {:patient, true, :infinity}}
    @other {:await, {:other, false, :infinity}}

    test "is answered at once where the engine is up, or down" do
      assert {_, [{:reply, [:other], :session}]} = after_events(up() ++ [@other])
      {down, _} = after_events([:start, {:opened, 1}, ended(), :start, {:opened, 2}, ended()])
      assert {^down, [{:reply, [:other], {:error, error}}]} = Lifecycle.step(down, @other)
      assert error.message =~ "engine 2"
      assert {%{waiting: [{:patient, _, _}]}, []} = Lifecycle.step(down, @patient)
    end

    test "gets the session when the engine is up, in the order of the calls" do
      events = [@other, :start, {:opened, 1}, @patient, :ready]
      assert {%{waiting: []}, actions} = after_events(events ++ [{:hello, %{}, 0}])
      assert {:reply, [:other, :patient], :session} in actions
    end

    test "gets the error when starting fails repeatedly, unless it is patient" do
      failed = [:start, {:not_opened, 1, @failed, 0}]
      {lifecycle, _} = after_events(failed ++ [@patient, @other])
      assert length(lifecycle.waiting) == 2
      {lifecycle, actions} = after_events(failed, lifecycle)
      assert {:reply, [:other], {:error, @failed}} in actions
      assert [{:patient, _, _}] = lifecycle.waiting
    end

    test "is dropped when its deadline is over" do
      late = {:await, {:late, true, 50}}
      failed = &[:start, {:not_opened, 1, @failed, &1}]
      {lifecycle, _} = after_events([late] ++ failed.(0) ++ failed.(49))
      assert [{:late, _, _}] = lifecycle.waiting
      assert {%{waiting: []}, _} = after_events(failed.(50), lifecycle)
    end
  end

  # Every sequence of events of some length, in a world that carries out the actions as the owner does. The world knows what
  # an owner holds: a port, a timer for the next start, a session that callers find, and callers that wait.
  describe "whatever happens" do
    @depth 6
    @world %{port?: false, timer?: true, session?: false, waiting: [], next: 1}

    test "there is either a process or a timer, a session where the engine is up, and one answer for each caller" do
      visited = explore(%Lifecycle{}, @world, @depth)
      assert visited == Enum.sort([:retrying, :opened, :greeted, :up, :down])
    end

    defp explore(lifecycle, world, depth), do: lifecycle |> explore(world, depth, []) |> Enum.sort()

    defp explore(lifecycle, _world, 0, seen), do: Enum.uniq([lifecycle.state | seen])

    defp explore(lifecycle, world, depth, seen) do
      for event <- events(world), reduce: Enum.uniq([lifecycle.state | seen]) do
        seen ->
          for {lifecycle, world} <- happen(event, lifecycle, world), reduce: seen do
            seen -> explore(lifecycle, world, depth - 1, seen)
          end
      end
    end

    # What may happen next. An engine may say anything at any time; without a process there is nothing of it.
    defp events(%{next: next} = world) do
      asked = for patient <- [true, false], do: {:await, {{next, patient}, patient, :infinity}}
      said = [:ready, {:hello, %{}, 0}, :served, {:bye, "code: why"}, ended(), ended(10_000)]
      timeout = {:start_timeout, "was not ready", 0, @at}

      asked ++
        if(world.timer?, do: [:start], else: []) ++ if(world.port?, do: [timeout | said], else: [])
    end

    # The worlds that follow from an event: an action `:open` may succeed or fail.
    defp happen(event, lifecycle, world) do
      world = if event == :start, do: %{world | timer?: false}, else: world
      world = %{world | next: world.next + 1}

      world =
        with {:await, {from, _, _}} <- event,
             do: %{world | waiting: [from | world.waiting]},
             else: (_ -> world)

      {next, actions} = Lifecycle.step(lifecycle, event)
      world = Enum.reduce(actions, world, &carry_out(&1, &2, next))

      if :open in actions do
        assert actions == [:open]
        failed = {:not_opened, world.next, @failed, 0}
        opened = happen({:opened, world.next}, next, %{world | port?: true})
        opened ++ happen(failed, next, world)
      else
        check(next, world, {event, lifecycle})
        [{next, world}]
      end
    end

    defp carry_out(:open, world, _) do
      refute world.port? or world.timer?
      world
    end

    defp carry_out(:greet, world, _) do
      assert world.port? and not world.session?
      world
    end

    defp carry_out({:publish, _}, world, _) do
      assert world.port? and not world.session?
      %{world | session?: true}
    end

    defp carry_out({:withdraw, death}, world, _) do
      assert world.port?
      assert death =~ @at
      %{world | port?: false, session?: false}
    end

    defp carry_out({:fail_requests, error}, world, _) do
      refute world.session?
      assert error.code == :engine_lost
      world
    end

    defp carry_out({:start_in, delay, error}, world, _) do
      refute world.port? or world.timer?
      assert delay in 0..30_000
      assert %EngineError{} = error
      %{world | timer?: true}
    end

    defp carry_out({:reply, froms, answer}, world, next) do
      # Each of them waits: nobody is answered twice.
      assert froms -- world.waiting == []
      assert if(answer == :session, do: world.session?, else: answer == {:error, next.error})
      %{world | waiting: world.waiting -- froms}
    end

    defp check(%Lifecycle{state: state} = lifecycle, world, cause) do
      holds =
        world.port? == state in [:opened, :greeted, :up] and
          world.timer? == state in [:retrying, :down] and
          world.session? == (state == :up) and
          Enum.sort(world.waiting) == Enum.sort(for {from, _, _} <- lifecycle.waiting, do: from) and
          (state != :up or world.waiting == []) and
          (state != :down or Enum.all?(world.waiting, fn {_, patient} -> patient end))

      assert holds, "#{inspect(cause)} led to #{inspect(lifecycle)} in #{inspect(world)}"
    end
  end
end
