defmodule Davit.Hooks do
  @moduledoc """
  Standing subscriptions: values of hooks stream to any process while programs run, whoever runs them.

      {:ok, ref} = Davit.Hooks.subscribe({:label, "encoder.*"}, view: {:summary, 16})

      receive do
        {:davit_hook, ^ref, event} -> event.values
      end

  What can be matched, policies and views: `Davit.Hooks.SubscriptionSpec`. What comes: `Davit.Hooks.Event`.

  A subscription ends with its subscriber, and with `Davit.Engine.stop/1`; it is made again when the engine was started
  again by itself. A subscriber whose subscription ends without its doing gets `{:davit_hook_down, ref, error}`, where `error`
  is a `Davit.EngineError`. With policy
  `:every` nothing is lost: a subscriber's mailbox never holds more than `:max_queue` events (default
  1,000). The others are held back, as long as it holds more than half as many messages, and runs with such hooks go no faster than it reads. A subscriber that waits
  for the engine itself, in `Davit.run/3` for example, is exempt from that.

  For the hooks of one run alone, give `Davit.run/3` the option `:hooks`.
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
  A process as a value of a program: a uint8 vector, whose length is the same for all processes of a node. A hook with
  the option `:to` sends its events to the process that it gets this way, so that a program need not know
  beforehand who will listen.

      types = [{:float32, {4}}, Davit.Hooks.to(self()).type]
      graph = Davit.Graph.build(types, fn x, who -> Davit.Graph.hook(x, "x", to: who) end)
      Davit.run(Davit.load(graph), [[1, 2, 3, 4], Davit.Hooks.to(pid)])

  The process gets `{:davit_hook, "x", event}`, sent by the one that runs the program, in program order and before the run
  returns. One that is gone, or on a node that is not connected, gets nothing. Bytes that are no pid fail the run
  with `:bad_destination`.
  """
  @spec to(pid) :: Davit.Tensor.t()
  def to(pid) when is_pid(pid), do: Davit.Hooks.Destination.encode(pid)

  @doc "Ends a subscription. The subscriber gets nothing for it after this; what it got stays in its mailbox."
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
  An endless enumerable of events. It subscribes when it is enumerated, in the process that does, and
  unsubscribes when that ends. Events that were not asked for yet stay in the engine.

      Davit.Hooks.stream("loss") |> Stream.map(&Davit.Hooks.Event.value/1) |> Enum.take(3)

  Options: `:policy`, `:view` and `:engine` as in `subscribe/2`, and `:started`, a function without arguments that is called once the
  engine has accepted the subscription. Raises `Davit.EngineError` where it refuses, or when it dies.
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
