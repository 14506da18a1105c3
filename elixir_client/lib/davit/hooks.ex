defmodule Davit.Hooks do
  @moduledoc """
  Subscriptions: the values of hooks are sent to a process while programs run, whichever process runs them.

      {:ok, ref} = Davit.Hooks.subscribe({:label, "encoder.*"}, view: {:summary, 16})

      receive do
        {:davit_hook, ^ref, event} -> event.values
      end

  `Davit.Hooks.SubscriptionSpec` describes matches, policies and views; `Davit.Hooks.Event` is what a subscriber receives.

  A subscription ends when its subscriber ends, or when its engine is stopped. When the engine was restarted, the
  subscription is made again. If it ends for another reason than `unsubscribe/1`, the subscriber receives
  `{:davit_hook_down, ref, error}`, where `error` is a `Davit.EngineError`.

  With the policy `:every` no event is lost, and the subscriber's mailbox holds at most `:max_queue` events (default
  1,000). While it holds more than half as many messages, further events wait in the engine, and so do the runs that
  compute them. A subscriber that itself waits for the engine, for example in `Davit.run/3`, is exempt: its mailbox takes
  all events.

  To receive the hooks of a single run, use the option `:hooks` of `Davit.run/3`.
  """

  alias Davit.{EngineError, Options}
  alias Davit.Engine.{Lookup, Part, Session}
  alias Davit.Hooks.{Feed, Source, SubscriptionSpec}

  @doc """
  Subscribes a process to every event that matches. It receives `{:davit_hook, ref, event}` for each.

  Options:

    * `:subscriber`: the pid that receives the events, default `self()`;
    * `:policy` and `:view`: see `Davit.Hooks.SubscriptionSpec`, default `:every` and `:full`;
    * `:engine`: the name of the engine;
    * `:max_queue`: how many events the subscriber's mailbox may hold, default that of the engine.

  Returns `{:error, exception}` if the engine is not running or refuses, or if the subscriber is not alive. Raises
  `ArgumentError` if the match or an option is invalid.
  """
  @spec subscribe(SubscriptionSpec.match(), keyword) :: {:ok, reference} | {:error, EngineError.t()}
  def subscribe(match, options \\ []) do
    Options.check!(options, [:subscriber, :policy, :view, :engine, :max_queue])
    pid = Options.get!(options, :subscriber, self(), "a pid", &is_pid/1)
    spec = SubscriptionSpec.to_wire(match, options)

    max_queue =
      Options.get!(options, :max_queue, nil, "a positive number", &(is_integer(&1) and &1 > 0))

    ref = make_ref()

    with {:ok, session} <- Lookup.session_for(options),
         {:ok, feed} <- start_feed(session, {session.name, ref, pid, spec, max_queue}),
         :ok <- accepted(feed, pid, session),
         do: {:ok, ref}
  end

  defp start_feed(session, arguments) do
    DynamicSupervisor.start_child(Part.name(session.name, :feeds), {Feed, arguments})
  catch
    # Its supervisor died, and what it had started with it.
    :exit, _ ->
      if Lookup.restarted?(session.name),
        do: start_feed(session, arguments),
        else: {:error, Session.lost(session)}
  end

  defp accepted(feed, pid, session) do
    Feed.accepted(feed)
  catch
    # A feed ends with its subscriber, or with the engine.
    :exit, {reason, {GenServer, :call, _}} when reason in [:normal, :noproc] ->
      message = "the subscriber #{inspect(pid)} is not alive"
      {:error, %EngineError{code: :subscriber_down, message: message}}

    :exit, {:killed, _} ->
      {:error, Feed.lost(:killed)}

    :exit, _ ->
      {:error, Session.lost(session)}
  end

  @doc """
  Returns a process as an input of a program: a u8 vector, whose length is the same for all processes of a node. A hook
  with the option `:to` sends its events to this process, so the receiver can be another one in each run.

      types = [{:f32, {4}}, Davit.Hooks.to(self()).type]
      graph = Davit.Graph.build(types, fn x, who -> Davit.Graph.hook(x, "x", to: who) end)
      Davit.run(Davit.load(graph), [[1, 2, 3, 4], Davit.Hooks.to(pid)])

  The process receives `{:davit_hook, "x", event}` from the process that runs the program, in program order and before the
  run returns. A process that is not alive, or on a node that is not connected, receives nothing. Bytes that are not a pid
  fail the run with `:destination_invalid`.
  """
  @spec to(pid) :: Davit.Tensor.t()
  def to(pid) when is_pid(pid), do: Davit.Hooks.Destination.encode(pid)

  @doc "Ends a subscription. The subscriber receives no further events; those in its mailbox stay there."
  @spec unsubscribe(reference) :: :ok
  def unsubscribe(ref) when is_reference(ref) do
    case Registry.lookup(Davit.Hooks.Registry, ref) do
      [{feed, _}] -> Feed.stop(feed)
      [] -> :ok
    end
  catch
    :exit, _ -> :ok
  end

  @doc """
  Returns an endless enumerable of events. The process that enumerates it is subscribed meanwhile. Events that were not
  asked for yet stay in the engine.

      Davit.Hooks.stream("loss") |> Stream.map(&Davit.Hooks.Event.value/1) |> Enum.take(3)

  Options: `:policy`, `:view` and `:engine` as in `subscribe/2`; `:started`, a function without arguments that
  is called when the engine has accepted the subscription. Enumerating raises `Davit.EngineError` if the engine refuses or
  ends.
  """
  @spec stream(SubscriptionSpec.match(), keyword) :: Enumerable.t()
  def stream(match, options \\ []) do
    Options.check!(options, [:policy, :view, :engine, :started])
    spec = SubscriptionSpec.to_wire(match, options)
    Stream.resource(fn -> open(spec, options) end, &{Source.next(&1), &1}, &Source.close/1)
  end

  defp open(spec, options) do
    source = Source.open(Lookup.session_for!(options), spec)

    try do
      if options[:started], do: options[:started].()
      source
    catch
      kind, reason ->
        Source.close(source)
        :erlang.raise(kind, reason, __STACKTRACE__)
    end
  end
end
