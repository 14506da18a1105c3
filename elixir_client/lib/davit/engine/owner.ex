defmodule Davit.Engine.Owner do
  @moduledoc false
  # Owns the port. It starts the engine's process and starts it again when it ends, as `Davit.Engine.Lifecycle` decides, and
  # sends each frame on to the process that waits for it, by the frame's first 8 bytes alone. It never writes into the port
  # (the writer and the calling processes do), so a busy port cannot keep it from reading. It runs no user code.

  use GenServer

  alias Davit.{Deadline, Frame, Msgpack}
  alias Davit.Hooks.Feed
  alias Davit.Engine.{Bulk, Handshake, Launcher, Lifecycle, Part, Recorded, Reporter, Routes}
  alias Davit.Engine.{Session, Writer}

  # `hello`: the number of the request `hello`, once it was sent. `callers`: `{pid, queue}` by monitor, of the processes that
  # use the engine. `feeds`: `{pid, subscription}` by monitor.
  defstruct [
    :options,
    :session,
    :hello,
    :opened_at,
    lifecycle: %Lifecycle{},
    callers: %{},
    feeds: %{}
  ]

  def start_link({options, session}) do
    Part.start_link(__MODULE__, {options, session}, Part.name(session.name, :owner))
  end

  @impl true
  def init({options, session}) do
    Process.flag(:trap_exit, true)
    session = %{session | owner: self()}
    {:ok, %__MODULE__{options: options, session: session}, {:continue, :start}}
  end

  @impl true
  def handle_continue(:start, %{session: session} = state) do
    # The owner before this one may have been killed: its session is still known, and its requests wait. Feeds live on, and
    # register with this owner.
    withdraw(session)
    Routes.fail_all(session.routes, Session.owner_down(:killed))

    for {_, feed, _, _} <- DynamicSupervisor.which_children(Part.name(session.name, :feeds)),
        do: send(feed, :davit_owner)

    {:noreply, step(:start, state)}
  end

  @impl true
  # The most frequent message comes first.
  def handle_info({port, {:data, <<request::64, _::binary>> = frame}}, state)
      when port == state.session.port do
    if Routes.deliver(state.session.routes, request, frame),
      do: {:noreply, served(state)},
      else: {:noreply, unrouted(request, frame, state)}
  end

  def handle_info({port, {:data, short}}, state) when port == state.session.port do
    {:noreply, ended("sent a frame of #{byte_size(short)} bytes", state)}
  end

  def handle_info({port, {:exit_status, status}}, state) when port == state.session.port do
    {:noreply, ended(Launcher.exit_text(status), state)}
  end

  def handle_info({:EXIT, port, reason}, state) when port == state.session.port do
    {:noreply, ended(Launcher.closed_text(reason), state)}
  end

  def handle_info({:caller, pid, queue}, state) do
    ref = Process.monitor(pid)
    {:noreply, put_in(state.callers[ref], {pid, queue})}
  end

  def handle_info({:feed, feed, subscription}, state) do
    if state.lifecycle.state == :up, do: send(feed, {:davit_up, state.session})
    {:noreply, add_feed({feed, subscription}, state)}
  end

  def handle_info({:DOWN, ref, :process, _, _}, state) when is_map_key(state.callers, ref) do
    {{pid, queue}, callers} = Map.pop!(state.callers, ref)
    forget_caller(pid, queue, state.session)
    {:noreply, %{state | callers: callers}}
  end

  # A feed that was killed could not notify its subscriber itself.
  def handle_info({:DOWN, ref, :process, _, reason}, state) when is_map_key(state.feeds, ref) do
    {{_, subscription}, feeds} = Map.pop!(state.feeds, ref)
    if reason == :killed, do: Feed.ended(subscription, Feed.lost(reason))
    {:noreply, %{state | feeds: feeds}}
  end

  def handle_info(:start, state), do: {:noreply, step(:start, state)}

  def handle_info({:start_timeout, port}, state) when port == state.session.port do
    how = "was not ready within #{start_timeout(state)} ms"
    {:noreply, step({:start_timeout, how, Deadline.now(), time_of_day()}, state)}
  end

  # Messages of a port that was closed.
  def handle_info(_, state), do: {:noreply, state}

  @impl true
  def handle_call({:await, patient, timeout}, from, state),
    do: {:noreply, step({:await, {from, patient, Deadline.new(timeout)}}, state)}

  def handle_call(:status, _from, %{lifecycle: lifecycle} = state) do
    {:reply, {Lifecycle.status(lifecycle), lifecycle.instance, lifecycle.error}, state}
  end

  @impl true
  def terminate(_reason, state) do
    withdraw(state.session)
    Launcher.close(state.session.port)
  end

  # A feed registers on its own, and when it is asked to.
  defp add_feed({pid, _} = feed, state) do
    if feed in Map.values(state.feeds),
      do: state,
      else: put_in(state.feeds[Process.monitor(pid)], feed)
  end

  # A frame that no request waits for: a part of the handshake, the end of the session, a log line, or an answer to a
  # request that was given up.
  defp unrouted(request, frame, %{hello: request, lifecycle: %{state: :greeted}} = state) do
    case Handshake.answer(frame) do
      {:ok, hello} -> step({:hello, hello, Deadline.now()}, state)
      {:error, how} -> ended(how, state)
    end
  end

  # Nothing is written before this frame: a write to an engine that has died would cost its exit status.
  defp unrouted(0, frame, %{lifecycle: %{state: :opened}} = state) do
    case Handshake.ready(frame) do
      :ok -> step(:ready, state)
      {:bye, text} -> step({:bye, text}, state)
      {:error, how} -> ended(how, state)
    end
  end

  defp unrouted(0, <<_::64, _::64, 0x93, 0xA3, "bye", _::binary>> = frame, state)
       when byte_size(frame) < 65_536 do
    case Frame.decode(frame) do
      {:ok, 0, ["bye", code, message], _} -> step({:bye, "#{code}: #{message}"}, state)
      _ -> state
    end
  end

  defp unrouted(0, frame, state) do
    Reporter.message(state.session.name, frame)
    state
  end

  defp unrouted(_request, _frame, state), do: served(state)

  defp served(%{lifecycle: %{served: true}} = state), do: state
  defp served(state), do: step(:served, state)

  defp ended(how, state), do: step({:ended, how, Deadline.now(), time_of_day()}, state)

  defp time_of_day, do: DateTime.utc_now() |> DateTime.truncate(:second) |> DateTime.to_iso8601()

  defp step(event, state) do
    {lifecycle, actions} = Lifecycle.step(state.lifecycle, event)
    Enum.reduce(actions, %{state | lifecycle: lifecycle}, &act/2)
  end

  defp act(:open, %{session: session} = state) do
    instance = Session.next_instance(session)
    state = %{state | opened_at: System.monotonic_time()}

    case Launcher.open(state.options) do
      {:ok, port} ->
        Process.send_after(self(), {:start_timeout, port}, start_timeout(state))
        session = %{session | port: port, instance: instance}
        step({:opened, instance}, %{state | session: session})

      {:error, error} ->
        step({:not_opened, instance, error, Deadline.now()}, state)
    end
  end

  # The answer comes without an alias: the owner takes it like any other frame.
  defp act(:greet, %{session: session, options: options} = state) do
    request = Session.next_id(session)
    notify(session, request, Handshake.hello(options[:limits] || %{}))
    %{state | hello: request}
  end

  defp act({:publish, hello}, state) do
    session = %{
      state.session
      | writer: Part.whereis(state.session.name, :writer),
        recorded: Recorded.new(state.session.name),
        nursery: Part.whereis(state.session.name, :nursery),
        budget: Davit.Collector.Budget.new(hello["limits"]["memory"]),
        bulk: Part.whereis(state.session.name, :bulk),
        bulk?: is_binary(hello["bulk"])
    }

    Bulk.open(session, hello)
    :ets.insert(session.name, [{:hello, hello}, {:session, session}])
    Session.up(session, session.instance)
    for {_, {feed, _}} <- state.feeds, do: send(feed, {:davit_up, session})
    duration = System.monotonic_time() - state.opened_at
    telemetry(:up, %{duration: duration}, %{hello: hello}, state)
    %{state | session: session}
  end

  defp act({:withdraw, death}, %{session: session} = state) do
    withdraw(session)
    Launcher.close(session.port)
    Davit.Engine.record_death(session.name, session.instance, death)
    %{state | session: %{session | port: nil}, hello: nil}
  end

  defp act({:fail_requests, error}, state) do
    Routes.fail_all(state.session.routes, error)
    state
  end

  defp act({:start_in, delay, error}, state) do
    Process.send_after(self(), :start, delay)
    Reporter.down(state.session.name, error, delay)
    telemetry(:down, %{retry_in: delay}, %{error: error}, state)
    state
  end

  defp act({:reply, froms, answer}, state) do
    answer = if answer == :session, do: {:ok, state.session}, else: answer
    Enum.each(froms, &GenServer.reply(&1, answer))
    state
  end

  defp start_timeout(state), do: Keyword.get(state.options, :start_timeout, 30_000)

  defp telemetry(event, measurements, metadata, %{session: %{name: name}, lifecycle: lifecycle}) do
    metadata = Map.merge(metadata, %{engine: name, instance: lifecycle.instance})
    Reporter.telemetry(name, [:engine, event], measurements, metadata)
  end

  defp withdraw(session) do
    Session.up(session, nil)
    :ets.delete(session.name, :session)
  end

  # Ends what a process that died had under way.
  defp forget_caller(pid, queue, session) do
    requests = Routes.remove_process(session.routes, pid)

    if session.port do
      for {request, kind} <- requests, do: notify(session, 0, end_of(kind, request))
      notify(session, 0, ["close_queue", queue])
    end
  end

  defp end_of(kind, request) when kind in [:run, :request],
    do: ["cancel", request, "caller died"]

  defp end_of(_subscription, request), do: ["unsubscribe", request]

  defp notify(session, request, message) do
    Writer.send_frame(session, Frame.encode(request, Msgpack.encode(message)))
  end
end
