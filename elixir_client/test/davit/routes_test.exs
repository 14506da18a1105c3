defmodule Davit.RoutesTest do
  use ExUnit.Case, async: true

  alias Davit.Engine.Routes
  alias Davit.EngineError

  setup do
    %{routes: Routes.new(), ref: :erlang.alias()}
  end

  test "a frame is delivered to the alias of its request, until the route is removed", c do
    refute Routes.deliver(c.routes, 1, "before")
    Routes.add(c.routes, 1, c.ref, :run)
    assert Routes.member?(c.routes, 1)
    assert Routes.deliver(c.routes, 1, "one")
    assert Routes.deliver(c.routes, 1, "two")
    Routes.remove(c.routes, 1)
    refute Routes.deliver(c.routes, 1, "after")
    assert Process.info(self(), :messages) == {:messages, [{c.ref, "one"}, {c.ref, "two"}]}
  end

  test "the frames of a subscription are counted", c do
    sent = :counters.new(1, [])
    Routes.add(c.routes, 1, c.ref, {:subscription, sent})
    for _ <- 1..3, do: Routes.deliver(c.routes, 1, "frame")
    assert :counters.get(sent, 1) == 3
  end

  test "a request that is answered in place of the engine has no route any more", c do
    Routes.add(c.routes, 1, c.ref, :request)
    assert :ok = Routes.answer(c.routes, 1, "answer")
    assert :ok = Routes.answer(c.routes, 1, "answer")
    assert Routes.size(c.routes) == 0
    assert Process.info(self(), :messages) == {:messages, [{c.ref, "answer"}]}
  end

  test "all requests fail at once", c do
    other = :erlang.alias()
    Routes.add(c.routes, 1, c.ref, :run)
    Routes.add(c.routes, 2, other, :subscription)
    error = %EngineError{code: :engine_lost, message: "gone"}
    Routes.fail_all(c.routes, error)
    assert Routes.size(c.routes) == 0
    assert_received {ref, ^error} when ref == c.ref
    assert_received {^other, ^error}
  end

  test "the routes of an alias, or of a process, are removed, and no others", c do
    test = self()
    other = :erlang.alias()
    Routes.add(c.routes, 1, c.ref, :run)
    Routes.add(c.routes, 2, c.ref, :request)
    Routes.add(c.routes, 3, other, :subscription)
    Task.await(Task.async(fn -> Routes.add(c.routes, 4, :erlang.alias(), :run) end))
    assert Enum.sort(Routes.remove_all(c.routes, c.ref)) == [1, 2]
    assert Routes.remove_process(c.routes, test) == [{3, :subscription}]
    assert Routes.size(c.routes) == 1
    assert Routes.member?(c.routes, 4)
  end

  test "a process waits for runs and requests, not for the events of a subscription", c do
    Routes.add(c.routes, 1, c.ref, :subscription)
    Routes.add(c.routes, 2, c.ref, {:subscription, :counters.new(1, [])})
    refute Routes.waiting?(c.routes, self())
    Routes.add(c.routes, 3, c.ref, :run)
    assert Routes.waiting?(c.routes, self())
  end

  test "there are no routes when the engine is gone, and adding one does nothing", c do
    :ets.delete(c.routes)
    assert Routes.add(c.routes, 1, c.ref, :run)
    assert Routes.remove(c.routes, 1)
    assert Routes.answer(c.routes, 1, "answer") == :ok
    assert Routes.remove_all(c.routes, c.ref) == []
    assert Routes.remove_process(c.routes, self()) == []
    assert Routes.size(c.routes) == 0
    refute Routes.member?(c.routes, 1)
    refute Routes.waiting?(c.routes, self())
  end
end
