defmodule Davit.Hooks.Source do
  @moduledoc false
  # The subscription of one `Davit.Hooks.stream/2`, in a process of its own. It queues the engine's messages and returns one
  # batch of events for each call of the reader, so nothing but replies gets into the reader's mailbox. It ends with the
  # reader.

  use GenServer, restart: :temporary

  alias Davit.EngineError
  alias Davit.Engine.Session
  alias Davit.Hooks.{Event, Subscription}

  # `asking`: the call of the reader that waits. `taken`: the credit of the events that the reader got last.
  defstruct [:subscription, :reader, :asking, :error, taken: 0, frames: :queue.new()]

  @doc "Subscribes for the calling process. Raises `Davit.EngineError` if the engine refuses."
  @spec open(Session.t(), list) :: pid
  def open(session, spec) do
    {:ok, source} = GenServer.start(__MODULE__, {session, spec, self()})

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
  Returns the next events. The first call returns none, when the engine has accepted the subscription. The credit of the
  events before is returned to the engine. Raises `Davit.EngineError` if the engine is gone.
  """
  @spec next(pid) :: [Event.t()]
  def next(source) do
    case GenServer.call(source, :next, :infinity) do
      {:ok, events} -> events
      {:error, error} -> raise error
    end
  catch
    :exit, {reason, _} -> raise Session.owner_down(reason)
  end

  @doc "Ends the subscription."
  @spec close(pid) :: :ok
  def close(source) do
    GenServer.stop(source, :normal, :infinity)
  catch
    :exit, _ -> :ok
  end

  @impl true
  def init({session, spec, reader}) do
    Process.monitor(reader)
    state = %__MODULE__{reader: reader}

    case Subscription.open(session, spec, :subscription) do
      {:ok, subscription} -> {:ok, %{state | subscription: subscription}}
      {:error, error} -> {:ok, %{state | error: error}}
    end
  end

  @impl true
  # A reader that asks for more events has taken the events before.
  def handle_call(:next, from, state) do
    if state.subscription, do: Subscription.consumed(state.subscription, state.taken)
    {:noreply, serve(%{state | asking: from, taken: 0})}
  end

  @impl true
  def handle_info({ref, frame}, %{subscription: %{ref: ref}} = state) when is_binary(frame),
    do: {:noreply, serve(%{state | frames: :queue.in(frame, state.frames)})}

  def handle_info({ref, error}, %{subscription: %{ref: ref}} = state),
    do: {:noreply, fail(error, state)}

  def handle_info({:DOWN, ref, _, _, reason}, %{subscription: %{ref: ref}} = state),
    do: {:noreply, fail(Session.owner_down(reason), state)}

  def handle_info({:DOWN, _, _, pid, _}, %{reader: pid} = state), do: {:stop, :normal, state}
  def handle_info(_, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state), do: state.subscription && Subscription.close(state.subscription)

  # Events that came before an error are returned first.
  defp fail(error, state), do: serve(%{state | error: state.error || error})

  defp serve(%{asking: nil} = state), do: state

  defp serve(state) do
    case :queue.out(state.frames) do
      {{:value, frame}, frames} -> read(frame, %{state | frames: frames})
      {:empty, _} when state.error != nil -> reply({:error, state.error}, state)
      {:empty, _} -> state
    end
  end

  defp read(frame, state) do
    case Subscription.read(state.subscription, frame) do
      {:ok, message, subscription} -> message(message, %{state | subscription: subscription})
      {:error, error} -> fail(error, state)
    end
  end

  defp message({:events, events, credit}, state), do: reply({:ok, events}, %{state | taken: credit})
  defp message(:accepted, state), do: reply({:ok, []}, state)
  defp message(:sites, state), do: serve(state)

  defp reply(answer, state) do
    GenServer.reply(state.asking, answer)
    %{state | asking: nil}
  end
end
