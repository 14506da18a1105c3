defmodule Davit.Hooks.Feed do
  @moduledoc false
  # Forwards the events of one subscription to its subscriber. It ends with the subscriber, and subscribes again when the
  # engine was restarted.
  #
  # The engine sends events against credit, which is counted in bytes and in events: half as many events as the subscriber's
  # mailbox may hold. Credit is returned while the mailbox is not longer than the other half. Its length is checked when
  # events arrive and, while credit is held back, by a timer whose interval grows.
  #
  # The engine sends a run's events before the run's answer. Events of a subscription pass through this process, so a run
  # waits until feeds have caught up (`settle/1`) before it returns.

  use GenServer, restart: :temporary

  require Logger

  alias Davit.{EngineError, Program}
  alias Davit.Engine.{Part, Routes}
  alias Davit.Hooks.Subscription

  # Counters: the frames that the owner has sent to this process, and those that it has handled.
  @sent 1
  @passed_on 2

  @first_interval 2
  @last_interval 100

  # `answer`: the engine's answer to the first `subscribe`. `answer_to`: the call that waits for it. `held`: the credit that is
  # held back. `interval`: the milliseconds until the mailbox is checked again.
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
    interval: @first_interval
  ]

  def start_link(arguments), do: GenServer.start_link(__MODULE__, arguments)

  @doc "Waits until the engine has accepted or refused the subscription."
  @spec accepted(pid) :: :ok | {:error, EngineError.t()}
  def accepted(feed), do: GenServer.call(feed, :accepted, :infinity)

  @doc "Ends the subscription. The subscriber receives nothing after this."
  @spec stop(pid) :: :ok
  def stop(feed), do: GenServer.call(feed, :stop, :infinity)

  @doc """
  Waits until all events that arrived before the answer of a run of this program are in the mailboxes of subscribers.
  """
  @spec settle(Program.t()) :: :ok
  def settle(%Program{sites: []}), do: :ok

  def settle(%Program{engine: engine, sites: sites}) do
    # Usually there is no subscription. Counting is the fastest way to find out.
    if Registry.count(Davit.Hooks.Registry) > 0 do
      match = {:_, :"$1", {engine, :"$2", :"$3"}}
      feeds = Registry.select(Davit.Hooks.Registry, [{match, [], [:"$$"]}])
      # Nodes that are not hooks fire for probes only.
      hooks? = Enum.any?(sites, &(&1.kind not in [:node, :callback]))
      for [feed, probe?, counters] <- feeds, probe? or hooks?, do: settled(feed, counters)
    end

    :ok
  end

  defp settled(feed, counters) do
    if :counters.get(counters, @sent) != :counters.get(counters, @passed_on),
      do: GenServer.call(feed, :settled, :infinity),
      else: :ok
  catch
    # The feed ended with its subscriber.
    :exit, _ -> :ok
  end

  @impl true
  def init({engine, ref, pid, spec, max_queue}) do
    # When the engine is stopped, `terminate/2` notifies the subscriber.
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
  # The owner was restarted.
  def handle_info(:davit_owner, state), do: {:noreply, register(state)}

  # An owner that was restarted may send this twice.
  def handle_info({:davit_up, %{instance: instance}}, %{subscription: subscription} = state)
      when subscription.exchange.session.instance == instance,
      do: {:noreply, state}

  def handle_info({:davit_up, session}, state) do
    state = disconnected(state)
    # Frames of the session before are lost.
    :counters.put(state.counters, @passed_on, :counters.get(state.counters, @sent))
    kind = {:subscription, state.counters}

    case Subscription.open(session, state.spec, kind, in_flight(state)) do
      {:ok, subscription} ->
        {:noreply, %{state | subscription: subscription, interval: @first_interval}}

      # The engine is gone by now. Its owner sends this message again when it is up.
      {:error, _} ->
        {:noreply, state}
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

  def handle_info(:check_mailbox, state), do: {:noreply, check_mailbox(state)}

  def handle_info({:DOWN, _, :process, pid, _}, %{pid: pid} = state) do
    {:stop, :normal, unsubscribe(state)}
  end

  # The registry failed, so this subscription cannot be found any more.
  def handle_info({:EXIT, _, reason}, state), do: fail(lost(reason), state)

  def handle_info(_, state), do: {:noreply, state}

  # An owner that is being restarted sends `:davit_owner` later.
  defp register(state) do
    owner = Part.whereis(state.engine, :owner)
    if owner, do: send(owner, {:feed, self(), {state.ref, state.pid}})
    state
  end

  @impl true
  # If this process is killed, the owner notifies the subscriber.
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

  @doc "Returns the error of a subscription whose process ended for this reason."
  @spec lost(term) :: EngineError.t()
  def lost(reason) do
    message = "the process of the subscription ended: #{Exception.format_exit(reason)}"
    %EngineError{code: :subscription_lost, message: message}
  end

  @doc "Notifies the subscriber that the subscription has ended."
  @spec ended({reference, pid}, EngineError.t()) :: term
  def ended({ref, pid}, error), do: send(pid, {:davit_hook_down, ref, error})

  defp message({:events, events, credit}, state) do
    Enum.each(events, &send(state.pid, {:davit_hook, state.ref, &1}))

    if state.held > 0 do
      # A check is due anyway.
      {:noreply, %{state | held: state.held + credit}}
    else
      {:noreply, check_mailbox(%{state | held: credit})}
    end
  end

  defp message(:sites, state), do: {:noreply, state}
  defp message(:accepted, state), do: accept(:ok, state)

  # A restarted engine refused the subscription.
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

  defp check_mailbox(%{subscription: nil} = state), do: %{state | held: 0}
  defp check_mailbox(%{held: 0} = state), do: state

  defp check_mailbox(state) do
    if taken?(state) do
      Subscription.consumed(state.subscription, state.held)
      %{state | held: 0, interval: @first_interval}
    else
      Process.send_after(self(), :check_mailbox, state.interval)
      %{state | interval: min(2 * state.interval, @last_interval)}
    end
  end

  # A subscriber that waits for an answer of the engine cannot read its mailbox, and the engine may wait for the credit. So
  # such a subscriber gets more events than its mailbox should hold.
  defp taken?(%{pid: pid, subscription: %{exchange: %{session: session}}} = state)
       when node(pid) == node() do
    case Process.info(pid, :message_queue_len) do
      {_, length} ->
        length <= state.max_queue - in_flight(state) or Routes.waiting?(session.routes, pid)

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
