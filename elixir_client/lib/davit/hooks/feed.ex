defmodule Davit.Hooks.Feed do
  @moduledoc false
  # One subscription: it takes the engine's batches of events, and sends each event to the subscriber. It
  # ends with the subscriber, and subscribes again when the engine was started again.
  #
  # The engine sends on credit, in bytes and in events: half as many as the subscriber's mailbox may hold. Credit goes back
  # when the mailbox is no longer than the other half; a look at it is due when events come, and while credit is held
  # back, on a timer that slows down.
  #
  # The engine sends a run's events before its answer. They take one hop more, through here, so a run asks feeds to
  # catch up before it gives its result.

  use GenServer, restart: :temporary

  require Logger

  alias Davit.{EngineError, Program}
  alias Davit.Engine.{Part, Session}
  alias Davit.Hooks.Subscription

  # Frames that the owner has sent here, and those that were dealt with.
  @sent 1
  @passed_on 2

  @first_look 2
  @last_look 100

  # `answer`: the engine's answer to the first `subscribe`; `answer_to`: the call that waits for it. `held`: the credit that is
  # held back, `look` the milliseconds until the next look at the subscriber's mailbox.
  defstruct [
    :ref,
    :pid,
    :spec,
    :engine,
    :subscription,
    :answer,
    :answer_to,
    :max_queue,
    :counters,
    held: 0,
    look: @first_look
  ]

  def start_link(arguments), do: GenServer.start_link(__MODULE__, arguments)

  @doc "Waits until the engine has accepted or refused the subscription."
  @spec accepted(pid) :: :ok | {:error, EngineError.t()}
  def accepted(feed), do: GenServer.call(feed, :accepted, :infinity)

  @doc "Ends it. The subscriber gets nothing after this."
  @spec stop(pid) :: :ok
  def stop(feed), do: GenServer.call(feed, :stop, :infinity)

  @doc """
  Waits until subscribers have in their mailboxes what a run of the program made them be sent: all events that came
  before the run's answer.
  """
  @spec settle(Program.t()) :: :ok
  def settle(%Program{sites: []}), do: :ok

  def settle(%Program{engine: engine, sites: sites}) do
    # Mostly there is none, and counting is the fastest way to know.
    if Registry.count(Davit.Hooks.Registry) > 0 do
      match = {:_, :"$1", {engine, :"$2", :"$3"}}
      feeds = Registry.select(Davit.Hooks.Registry, [{match, [], [:"$$"]}])
      # Nodes that are no hooks fire for probes alone.
      hooks? = Enum.any?(sites, &(&1.kind not in [:node, :call]))
      for [feed, probe?, counters] <- feeds, probe? or hooks?, do: settled(feed, counters)
    end

    :ok
  end

  defp settled(feed, counters) do
    if :counters.get(counters, @sent) != :counters.get(counters, @passed_on),
      do: GenServer.call(feed, :settled, :infinity),
      else: :ok
  catch
    # It ended with its subscriber.
    :exit, _ -> :ok
  end

  @impl true
  def init({engine, ref, pid, spec, max_queue}) do
    # The engine's stop is told to the subscriber.
    Process.flag(:trap_exit, true)
    Process.monitor(pid)

    counters = :counters.new(2, [:atomics])
    value = {engine, match?([["probe", _] | _], spec), counters}
    {:ok, _} = Registry.register(Davit.Hooks.Registry, ref, value)

    {:ok,
     %__MODULE__{
       ref: ref,
       pid: pid,
       spec: spec,
       engine: engine,
       counters: counters,
       max_queue: max_queue || Davit.Engine.option(engine, :max_queue, 1000)
     }, {:continue, :register}}
  end

  @impl true
  def handle_continue(:register, state), do: {:noreply, register(state)}

  @impl true
  def handle_call(:accepted, from, %{answer: nil} = state) do
    {:noreply, %{state | answer_to: from}}
  end

  def handle_call(:accepted, _from, %{answer: :ok} = state), do: {:reply, :ok, state}
  def handle_call(:accepted, _from, state), do: {:stop, :normal, state.answer, state}

  def handle_call(:settled, _from, state), do: {:reply, :ok, state}

  def handle_call(:stop, _from, state), do: {:stop, :normal, :ok, unsubscribe(state)}

  @impl true
  # The owner was started again.
  def handle_info(:davit_owner, state), do: {:noreply, register(state)}

  # An owner that was started again may say so twice.
  def handle_info({:davit_up, %{instance: instance}}, %{subscription: subscription} = state)
      when subscription.exchange.session.instance == instance,
      do: {:noreply, state}

  def handle_info({:davit_up, session}, state) do
    state = disconnected(state)
    # What was on its way before is lost.
    :counters.put(state.counters, @passed_on, :counters.get(state.counters, @sent))
    kind = {:subscription, state.counters}

    case Subscription.open(session, state.spec, kind, in_flight(state)) do
      {:ok, subscription} -> {:noreply, %{state | subscription: subscription, look: @first_look}}
      # An engine that is gone by now will be up again, and says so.
      {:error, _} -> {:noreply, state}
    end
  end

  def handle_info({ref, frame}, %{subscription: %{ref: ref}} = state) when is_binary(frame) do
    answer =
      case Subscription.read(state.subscription, frame) do
        {:ok, message, subscription} -> message(message, %{state | subscription: subscription})
        {:error, error} -> accept({:error, error}, state)
      end

    :counters.add(state.counters, @passed_on, 1)
    answer
  end

  # The engine is gone. `{:davit_up, session}` follows.
  def handle_info({ref, _error}, %{subscription: %{ref: ref}} = state),
    do: {:noreply, disconnected(state)}

  def handle_info({:DOWN, ref, _, _, _}, %{subscription: %{ref: ref}} = state),
    do: {:noreply, disconnected(state)}

  def handle_info(:look, state), do: {:noreply, look(state)}

  def handle_info({:DOWN, _, :process, pid, _}, %{pid: pid} = state) do
    {:stop, :normal, unsubscribe(state)}
  end

  # The registry of subscriptions failed, and would not find this one any more.
  def handle_info({:EXIT, _, reason}, state), do: fail(lost(reason), state)

  def handle_info(_, state), do: {:noreply, state}

  # Where the owner is being started again, it asks for this.
  defp register(state) do
    owner = Part.whereis(state.engine, :owner)
    if owner, do: send(owner, {:feed, self(), {state.ref, state.pid}})
    state
  end

  @impl true
  # Where it is killed, the owner tells the subscriber.
  def terminate(reason, %{answer: :ok} = state) when reason not in [:normal, :killed],
    do: ended({state.ref, state.pid}, reason(reason, state))

  def terminate(_reason, _state), do: :ok

  defp reason({:shutdown, %EngineError{} = error}, _state), do: error

  defp reason(:shutdown, state),
    do: %EngineError{
      code: :engine_down,
      message: "engine #{Davit.Engine.Name.show(state.engine)} was stopped"
    }

  defp reason(reason, _state), do: lost(reason)

  @doc "The error of a subscription whose process ended for this reason."
  @spec lost(term) :: EngineError.t()
  def lost(reason) do
    message = "the process of the subscription ended: #{Exception.format_exit(reason)}"
    %EngineError{code: :subscription_lost, message: message}
  end

  @doc "Tells the subscriber that nothing more comes for the subscription."
  @spec ended({reference, pid}, EngineError.t()) :: term
  def ended({ref, pid}, error), do: send(pid, {:davit_hook_down, ref, error})

  defp message({:events, events, credit}, state) do
    Enum.each(events, &send(state.pid, {:davit_hook, state.ref, &1}))

    if state.held > 0 do
      # A look is due anyway.
      {:noreply, %{state | held: state.held + credit}}
    else
      {:noreply, look(%{state | held: credit})}
    end
  end

  defp message(:sites, state), do: {:noreply, state}
  defp message(:accepted, state), do: accept(:ok, state)

  # By an engine that was started again.
  defp accept({:error, error}, %{answer: :ok} = state), do: fail(error, state)

  defp accept(answer, %{answer_to: nil} = state), do: {:noreply, %{state | answer: answer}}

  defp accept(answer, state) do
    GenServer.reply(state.answer_to, answer)
    state = %{state | answer: answer, answer_to: nil}
    if answer == :ok, do: {:noreply, state}, else: {:stop, :normal, state}
  end

  defp fail(error, state) do
    subscription = "the subscription of #{inspect(state.pid)} for #{inspect(state.spec)}"
    Logger.warning("#{subscription} ends: #{Exception.message(error)}")
    {:stop, {:shutdown, error}, state}
  end

  defp in_flight(%{max_queue: max_queue}), do: max(1, div(max_queue, 2))

  defp look(%{subscription: nil} = state), do: %{state | held: 0}
  defp look(%{held: 0} = state), do: state

  defp look(state) do
    if taken?(state) do
      Subscription.consumed(state.subscription, state.held)
      %{state | held: 0, look: @first_look}
    else
      Process.send_after(self(), :look, state.look)
      %{state | look: min(2 * state.look, @last_look)}
    end
  end

  # A subscriber that itself waits for the engine cannot read, and the engine may wait for it to: then
  # memory gives, not the promise that nothing is lost.
  defp taken?(%{pid: pid, subscription: %{exchange: %{session: session}}} = state)
       when node(pid) == node() do
    case Process.info(pid, :message_queue_len) do
      {_, length} ->
        length <= state.max_queue - in_flight(state) or Session.waiting?(session, pid)

      nil ->
        true
    end
  end

  defp taken?(_), do: true

  defp disconnected(%{subscription: nil} = state), do: state

  defp disconnected(state) do
    Subscription.abandon(state.subscription)
    %{state | subscription: nil, held: 0}
  end

  defp unsubscribe(%{subscription: nil} = state), do: state

  defp unsubscribe(state) do
    Subscription.close(state.subscription)
    %{state | subscription: nil}
  end
end
