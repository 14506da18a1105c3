defmodule Davit.Engine.Owner do
  @moduledoc false
  # Owns the port. It opens the engine, opens it again when it exits, and passes each frame on to whoever
  # waits for it, by the first 8 bytes alone. It never writes into the port (the writer and the calling
  # processes do), so a busy port cannot keep it from reading; and it runs no user code.

  use GenServer

  alias Davit.{EngineError, Frame, Msgpack}
  alias Davit.Hooks.Feed
  alias Davit.Engine.{Backoff, Bulk, Handshake, Launcher, Part, Reporter, Session}
  alias Davit.Engine.{Waiting, Writer}

  defstruct [
    :options,
    :session,
    :opened_at,
    :up_at,
    # `:ready` until the engine has said that, then the number of the request `hello`.
    :hello,
    :timer,
    :error,
    :bye,
    status: :starting,
    served: false,
    attempt: 0,
    instance: 0,
    waiting: [],
    callers: %{},
    watchers: %{}
  ]

  def start_link({options, session}) do
    Part.start_link(__MODULE__, {options, session}, Part.name(session.name, :owner))
  end

  @impl true
  def init({options, session}) do
    Process.flag(:trap_exit, true)
    session = %{session | owner: self()}
    {:ok, %__MODULE__{options: options, session: session}, {:continue, :open}}
  end

  @impl true
  def handle_continue(:open, state) do
    # An owner that was killed told nobody. Feeds live on, and go over to this one.
    forget_session(state.session)
    tell(state.session, Session.owner_down(:killed))
    feeds = DynamicSupervisor.which_children(Part.name(state.session.name, :feeds))
    for {_, feed, _, _} <- feeds, do: send(feed, :davit_owner)
    {:noreply, open(state)}
  end

  @impl true
  # What comes most often comes first.
  def handle_info({port, {:data, <<request::64, _::binary>> = frame}}, state)
      when port == state.session.port do
    case :ets.lookup(state.session.routes, request) do
      [{_, to, _, kind}] ->
        count(kind)
        send(to, {to, frame})
        {:noreply, served(state)}

      [] ->
        {:noreply, unrouted(request, frame, state)}
    end
  end

  def handle_info({port, {:data, short}}, state) when port == state.session.port do
    {:noreply, exited("sent a frame of #{byte_size(short)} bytes", state)}
  end

  def handle_info({port, {:exit_status, status}}, state) when port == state.session.port do
    {:noreply, exited(Launcher.exit_text(status), state)}
  end

  def handle_info({:EXIT, port, reason}, state) when port == state.session.port do
    {:noreply, exited(Launcher.closed_text(reason), state)}
  end

  def handle_info({:caller, pid, queue}, state) do
    ref = Process.monitor(pid)
    {:noreply, put_in(state.callers[ref], {pid, queue})}
  end

  def handle_info({:watch, feed, subscription}, state) do
    if state.status == :up, do: send(feed, {:davit_up, state.session})
    {:noreply, watch(feed, subscription, state)}
  end

  def handle_info({:DOWN, ref, :process, _, _}, state) when is_map_key(state.callers, ref) do
    {{pid, queue}, callers} = Map.pop!(state.callers, ref)
    forget(pid, queue, state.session)
    {:noreply, %{state | callers: callers}}
  end

  # A feed that was killed could not tell its subscriber itself.
  def handle_info({:DOWN, ref, :process, _, reason}, state) when is_map_key(state.watchers, ref) do
    {{_, subscription}, watchers} = Map.pop!(state.watchers, ref)
    if reason == :killed, do: Feed.ended(subscription, Feed.lost(reason))
    {:noreply, %{state | watchers: watchers}}
  end

  def handle_info({:open, timer}, %{timer: timer} = state), do: {:noreply, open(state)}

  def handle_info({:start_timeout, port}, state)
      when port == state.session.port and state.status == :starting do
    {:noreply, exited("was not ready within #{start_timeout(state)} ms", state)}
  end

  # Of a port that is gone, of a timer that lost its race.
  def handle_info(_, state), do: {:noreply, state}

  @impl true
  # Who is patient waits through failed starts; nobody waits for longer than `timeout`.
  def handle_call({:await, patient, timeout}, from, %{status: status} = state)
      when status == :starting or (status == :down and patient) do
    {:noreply, %{state | waiting: Waiting.add(state.waiting, from, patient, timeout)}}
  end

  def handle_call({:await, _, _}, _from, %{status: :up} = state),
    do: {:reply, {:ok, state.session}, state}

  def handle_call({:await, _, _}, _from, state), do: {:reply, {:error, state.error}, state}

  def handle_call(:status, _from, state) do
    {:reply, {state.status, state.instance, state.error}, state}
  end

  @impl true
  def terminate(_reason, state) do
    forget_session(state.session)
    Launcher.close(state.session.port)
  end

  # It may say so twice, on its own and when it is asked.
  defp watch(feed, subscription, state) do
    watcher = {feed, subscription}

    if watcher in Map.values(state.watchers),
      do: state,
      else: put_in(state.watchers[Process.monitor(feed)], watcher)
  end

  defp open(state) do
    instance = Session.next_instance(state.session)
    state = %{state | timer: nil, bye: nil, instance: instance, opened_at: now(), up_at: nil}

    case Launcher.open(state.options) do
      {:ok, port} ->
        Process.send_after(self(), {:start_timeout, port}, start_timeout(state))
        session = %{state.session | port: port, instance: instance}
        %{state | session: session, status: :starting, hello: :ready}

      {:error, error} ->
        down(error, 0, state)
    end
  end

  defp start_timeout(state), do: Keyword.get(state.options, :start_timeout, 30_000)

  # The engine's answer to `hello`, the end of the session, a log line, or what nobody waits for any more.
  defp unrouted(request, frame, %{hello: request} = state) do
    case Handshake.answer(frame) do
      {:ok, hello} -> up(hello, state)
      {:error, how} -> exited(how, state)
    end
  end

  # Nothing was written before that: a write to an engine that has died would cost its exit status.
  defp unrouted(0, frame, %{hello: :ready} = state) do
    case Handshake.ready(frame) do
      :ok -> greet(state)
      {:bye, bye} -> %{state | bye: bye}
      {:error, how} -> exited(how, state)
    end
  end

  defp unrouted(0, <<_::64, _::64, 0x93, 0xA3, "bye", _::binary>> = frame, state)
       when byte_size(frame) < 65_536 do
    case Frame.decode(frame) do
      {:ok, 0, ["bye", code, message], _} -> %{state | bye: "#{code}: #{message}"}
      _ -> state
    end
  end

  defp unrouted(0, frame, state) do
    Reporter.message(state.session.name, frame)
    state
  end

  defp unrouted(_request, _frame, state), do: served(state)

  # Not through an alias: a message of this process to itself, which it may take like any other.
  defp greet(state) do
    request = Session.next_id(state.session)
    notify(state.session, request, Handshake.hello(state.options[:limits] || %{}))
    %{state | hello: request}
  end

  defp served(%{served: true} = state), do: state
  defp served(state), do: %{state | served: true}

  defp up(hello, state) do
    session = %{
      state.session
      | nursery: Part.whereis(state.session.name, :nursery),
        budget: Davit.Collector.Budget.new(hello["limits"]["memory"]),
        bulk: Part.whereis(state.session.name, :bulk),
        bulk?: is_binary(hello["bulk"])
    }

    Bulk.open(session, hello)
    :ets.insert(session.name, [{:hello, hello}, {:session, session}])
    Session.up(session, session.instance)
    waiting = Waiting.up(state.waiting, session)
    Enum.each(state.watchers, fn {_, {feed, _}} -> send(feed, {:davit_up, session}) end)

    Reporter.telemetry(session.name, [:engine, :up], %{duration: now() - state.opened_at}, %{
      engine: session.name,
      instance: state.instance,
      hello: hello
    })

    %{state | session: session, status: :up, up_at: now(), hello: nil, waiting: waiting, error: nil}
  end

  # The engine is gone, or has to go. Those that wait are told once; nothing is sent again for them.
  defp exited(how, state) do
    session = state.session
    forget_session(session)
    Launcher.close(session.port)
    how = if state.bye, do: "#{how} after saying #{state.bye}", else: how
    Davit.Engine.record_death(session.name, state.instance, how)

    error = %EngineError{
      code: :engine_lost,
      message: "the engine went away during the call: " <> obituary(state)
    }

    tell(session, error)
    # One that never came up was never stable, however long that took.
    up = if state.up_at, do: System.convert_time_unit(now() - state.up_at, :native, :millisecond)
    error = %EngineError{code: :engine_down, message: obituary(state)}
    down(error, up || 0, %{state | hello: nil})
  end

  defp forget_session(session) do
    Session.up(session, nil)
    :ets.delete(session.name, :session)
  end

  defp tell(session, error) do
    for {_, to, _, _} = route <- :ets.tab2list(session.routes) do
      :ets.delete_object(session.routes, route)
      send(to, {to, error})
    end
  end

  defp obituary(state),
    do: "engine #{state.instance} #{Davit.Engine.death(state.session.name, state.instance)}"

  defp down(error, up, state) do
    {delay, attempt} = Backoff.next(state.attempt, state.served, up)
    timer = make_ref()
    Process.send_after(self(), {:open, timer}, delay)
    Reporter.down(state.session.name, error, delay)

    Reporter.telemetry(state.session.name, [:engine, :down], %{retry_in: delay}, %{
      engine: state.session.name,
      instance: state.instance,
      error: error
    })

    state = %{
      state
      | timer: timer,
        attempt: attempt,
        error: error,
        session: %{state.session | port: nil}
    }

    # Where the next engine is to be expected soon, whoever waits gets that one. Otherwise they are told.
    if delay == 0 or state.served do
      %{state | status: :starting, served: false}
    else
      %{state | status: :down, waiting: Waiting.down(state.waiting, error)}
    end
  end

  defp forget(pid, queue, session) do
    for {request, _, _, kind} = route <- :ets.match_object(session.routes, {:_, :_, pid, :_}) do
      :ets.delete_object(session.routes, route)

      if session.port, do: notify(session, 0, last_word(kind, request))
    end

    if session.port, do: notify(session, 0, ["close_queue", queue])
  end

  defp last_word(kind, request) when kind in [:run, :request],
    do: ["cancel", request, "caller died"]

  defp last_word(_subscription, request), do: ["unsubscribe", request]

  # For who wants to know whether all of it was passed on.
  defp count({:subscription, sent}), do: :counters.add(sent, 1, 1)
  defp count(_), do: :ok

  defp notify(session, request, message) do
    Writer.send_frame(session, Frame.encode(request, Msgpack.encode(message)))
  end

  defp now, do: System.monotonic_time()
end
