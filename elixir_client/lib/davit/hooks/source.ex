defmodule Davit.Hooks.Source do
  @moduledoc false
  # The subscription of one `Davit.Hooks.stream/2`. It takes the engine's messages in a process of its own, and hands a batch
  # over when it is asked for one: the reader waits for a reply alone, however much else is in its mailbox. It ends with the reader.

  use GenServer, restart: :temporary

  alias Davit.{EngineError, Frame, Msgpack}
  alias Davit.Engine.{Request, Session}
  alias Davit.Hooks.{Event, Site, Watch}

  defstruct [
    :session,
    :ref,
    :request,
    :reader,
    :asking,
    :views,
    :error,
    accepted: false,
    sites: %{},
    taken: 0,
    frames: :queue.new()
  ]

  @doc "Subscribes for the calling process. Raises `Davit.EngineError` where the engine refuses."
  @spec open(Session.t(), list) :: pid
  def open(session, watch) do
    {:ok, source} = GenServer.start(__MODULE__, {session, watch, self()})

    try do
      _ = next(source)
      source
    rescue
      error in EngineError ->
        close(source)
        reraise error, __STACKTRACE__
    end
  end

  @doc """
  The next events; none when the engine has accepted the subscription, which comes first. What was handed over before counts as
  taken. Raises `Davit.EngineError` where the engine is gone.
  """
  @spec next(pid) :: [Event.t()]
  def next(source) do
    case GenServer.call(source, :next, :infinity) do
      {:ok, events} -> events
      {:error, error} -> raise error
    end
  catch
    :exit, {reason, _} -> raise Request.owner_down(reason)
  end

  @doc "Ends it."
  @spec close(pid) :: :ok
  def close(source) do
    GenServer.stop(source, :normal, :infinity)
  catch
    :exit, _ -> :ok
  end

  @impl true
  def init({session, watch, reader}) do
    Process.monitor(reader)
    ref = :erlang.monitor(:process, session.owner, alias: :demonitor)
    request = Session.next_id(session)
    # Should this process die, the owner unsubscribes for it.
    Session.queue(session)
    Session.route(session, request, ref, :subscription)
    new = [session: session, ref: ref, request: request, reader: reader]
    state = struct!(__MODULE__, new ++ [views: Watch.slices([watch])])
    frame = Frame.encode(request, Msgpack.encode(["subscribe" | watch]))

    case Session.send_frame(session, frame) do
      :ok -> {:ok, state}
      {:error, error} -> {:ok, %{state | error: error}}
    end
  end

  @impl true
  def handle_call(:next, from, state), do: {:noreply, serve(%{pay(state) | asking: from})}

  @impl true
  def handle_info({ref, frame}, %{ref: ref} = state) when is_binary(frame),
    do: {:noreply, serve(%{state | frames: :queue.in(frame, state.frames)})}

  def handle_info({ref, error}, %{ref: ref} = state), do: {:noreply, fail(error, state)}

  def handle_info({:DOWN, ref, _, _, reason}, %{ref: ref} = state),
    do: {:noreply, fail(Request.owner_down(reason), state)}

  def handle_info({:DOWN, _, _, pid, _}, %{reader: pid} = state), do: {:stop, :normal, state}
  def handle_info(_, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    Session.unroute(state.session, state.request)
    Session.notify(state.session, 0, ["unsubscribe", state.request])
  end

  # Whoever asks for more has taken what came before.
  defp pay(%{taken: 0} = state), do: state

  defp pay(state) do
    Session.notify(state.session, state.request, ["consumed", state.taken])
    %{state | taken: 0}
  end

  # What came before an error is handed over first.
  defp fail(error, state), do: serve(%{state | error: state.error || error})

  defp serve(%{asking: nil} = state), do: state

  defp serve(state) do
    case :queue.out(state.frames) do
      {{:value, frame}, frames} -> frame |> Frame.decode() |> message(%{state | frames: frames})
      {:empty, _} when state.error != nil -> reply({:error, state.error}, state)
      {:empty, _} -> state
    end
  end

  defp message({:ok, _, ["events", events], attachments}, state) do
    {events, bytes} = Event.decode(events, attachments, state.sites, state.views)
    reply({:ok, Enum.map(events, &elem(&1, 1))}, %{state | taken: bytes})
  end

  defp message({:ok, _, ["sites", table], _}, state) do
    sites = for site <- Site.list_from_wire(table), into: state.sites, do: {site.index, site}
    serve(%{state | sites: sites})
  end

  defp message({:ok, _, ["ok", _], _}, %{accepted: false} = state),
    do: reply({:ok, []}, %{state | accepted: true})

  defp message({:ok, _, ["error", error], _}, state), do: fail(EngineError.from_wire(error), state)

  defp message({:ok, _, [type | _], _}, state),
    do: fail(Request.protocol("a subscription got #{inspect(type)}"), state)

  defp message({:error, why}, state), do: fail(Request.protocol(why), state)

  defp reply(answer, state) do
    GenServer.reply(state.asking, answer)
    %{state | asking: nil}
  end
end
