defmodule Davit.ExchangeTest do
  use ExUnit.Case, async: true

  alias Davit.{Engine, EngineError, Fake, Frame, Msgpack}
  alias Davit.Engine.{Exchange, Routes, Session}

  # A session without an engine: the test answers in its place. Its owner is a process that does nothing.
  defp session do
    routes = Routes.new()
    owner = spawn_link(fn -> receive(do: (:end -> :ok)) end)
    name = :"exchange_#{System.unique_integer([:positive])}"
    %{Session.new(name, routes) | owner: owner, instance: 1}
  end

  defp answering(session, answer),
    do: fn request -> Routes.answer(session.routes, request, answer) end

  defp assert_nothing_left(session) do
    assert :ets.tab2list(session.routes) == []
    assert Process.info(self(), [:messages, :monitors]) == [messages: [], monitors: []]
  end

  describe "call/4" do
    test "returns the frame that comes for its request" do
      session = session()
      assert {:ok, "frame"} = Exchange.call(session, :run, :infinity, answering(session, "frame"))
      assert_nothing_left(session)
    end

    test "has a route with its kind while it waits" do
      session = session()
      test = self()

      send = fn request ->
        assert [{^request, _alias, ^test, :run}] = :ets.tab2list(session.routes)
        Routes.answer(session.routes, request, "frame")
      end

      assert {:ok, "frame"} = Exchange.call(session, :run, :infinity, send)
    end

    test "returns the error that comes in place of an answer" do
      session = session()
      error = %EngineError{code: :engine_lost, message: "gone"}
      assert {:error, ^error} = Exchange.call(session, :run, :infinity, answering(session, error))
      assert_nothing_left(session)
    end

    test "returns an error when the engine's owner dies" do
      session = session()

      end_owner = fn _ ->
        send(session.owner, :end)
        :ok
      end

      assert {:error, %EngineError{code: :engine_lost}} =
               Exchange.call(session, :run, :infinity, end_owner)

      assert_nothing_left(session)
    end

    test "distinguishes a request that was not sent, and drops messages for it" do
      session = session()
      error = %EngineError{code: :engine_lost, message: "gone"}

      fail = fn request ->
        Routes.answer(session.routes, request, error)
        {:error, error}
      end

      assert {:unsent, ^error} = Exchange.call(session, :run, :infinity, fail)
      assert_nothing_left(session)
    end

    test "returns the request's number after a timeout, and takes no late answer" do
      session = session()
      test = self()

      send = fn request ->
        [{_, alias, _, _}] = :ets.lookup(session.routes, request)
        send(test, {:sent, request, alias})
        :ok
      end

      assert {:timeout, request} = Exchange.call(session, :run, 1, send)
      assert_received {:sent, ^request, alias}
      send(alias, {alias, "late"})
      assert_nothing_left(session)
    end

    test "does not look at other messages in the mailbox" do
      session = session()
      rounds = 20
      waiting = 20_000
      calls = fn -> for _ <- 1..rounds, do: call(session) end
      calls.()
      for n <- 1..waiting, do: send(self(), {:waiting, n})
      {:reductions, before} = Process.info(self(), :reductions)
      calls.()
      {:reductions, later} = Process.info(self(), :reductions)
      # Each message that a receive looks at counts as a reduction.
      assert later - before < waiting
      assert {:message_queue_len, ^waiting} = Process.info(self(), :message_queue_len)
    end

    defp call(session),
      do: {:ok, _} = Exchange.call(session, :run, :infinity, answering(session, "frame"))
  end

  describe "converse/3" do
    setup do
      session = Engine.session!(Fake.start())
      %{session: session, info: Msgpack.encode(["info"])}
    end

    test "passes each frame and each timeout to the handler, and returns its result", c do
      start = fn exchange ->
        # At once, as no request is under way yet.
        {:wait, 0, {exchange, []}}
      end

      handle = fn
        :timeout, {exchange, []} ->
          {:ok, request} = Exchange.request(exchange, :request, c.info)
          {:wait, :infinity, {exchange, [request]}}

        frame, {exchange, [request | answered]} ->
          assert {:ok, ^request, ["ok", _], _} = Frame.decode(frame)
          Exchange.finish(exchange, request)

          if length(answered) == 2 do
            {:done, Enum.reverse([request | answered])}
          else
            {:ok, next} = Exchange.request(exchange, :request, c.info)
            {:wait, :infinity, {exchange, [next, request | answered]}}
          end
      end

      assert [first, second, third] = Exchange.converse(c.session, start, handle)
      assert first < second and second < third
      assert_nothing_left(c.session)
    end

    test "cancels what is under way when its handler raises", c do
      hang = Fake.program(c.session.name, "hang")
      run = ["run", Session.queue(c.session), hang.id, [["inline", ["f32", [16]], 0]], [nil], %{}]
      test = self()

      start = fn exchange ->
        for _ <- 1..2 do
          header = Msgpack.encode(run)
          {:ok, request} = Exchange.request(exchange, :run, header, [<<0::512>>])
          send(test, {:request, request})
        end

        {:ok, _} = Exchange.request(exchange, :request, c.info)
        {:wait, :infinity, nil}
      end

      assert_raise RuntimeError, "enough", fn ->
        Exchange.converse(c.session, start, fn _, _ -> raise "enough" end)
      end

      assert_received {:request, one}
      assert_received {:request, two}
      assert_nothing_left(c.session)

      cancelled =
        for [request, reason] <- Engine.info(c.session.name)["cancelled"], do: {request, reason}

      assert {one, "its caller raised"} in cancelled
      assert {two, "its caller raised"} in cancelled
    end
  end

  describe "open/1" do
    test "makes the frames of each request arrive as messages, until it is closed" do
      session = Engine.session!(Fake.start())
      exchange = %{ref: ref} = Exchange.open(session)
      info = Msgpack.encode(["info"])
      {:ok, request} = Exchange.request(exchange, :request, info)
      assert_receive {^ref, <<^request::64, _::binary>>}
      Exchange.finish(exchange, request)

      Exchange.close(exchange)
      {:ok, request} = Exchange.request(exchange, :request, info)
      # Requests are answered in order.
      assert {:ok, _, _} = Engine.Request.call(session, ["info"])
      Exchange.finish(exchange, request)
      assert_nothing_left(session)
    end

    test "returns an error for a request that cannot be sent" do
      session = Engine.session!(Fake.start())
      exchange = Exchange.open(session)
      stop_supervised!(session.name)
      assert {:error, %EngineError{code: :engine_lost}} = Exchange.request(exchange, :request, "")
    end
  end
end
