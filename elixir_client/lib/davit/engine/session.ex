defmodule Davit.Engine.Session do
  @moduledoc """
  What a calling process needs to speak to a running engine, without asking another process.

  The engine's owner puts it in the engine's table when the engine is up and takes it away when it is not.
  Frames go from the calling process straight into the port; answers come back through the owner, by
  way of `routes`: rows of `{request, alias, pid, kind}`.
  """

  alias Davit.{EngineError, Frame, Msgpack}

  @derive {Inspect, only: [:name, :instance]}
  @enforce_keys [:name, :ids, :routes]
  defstruct [
    :name,
    :ids,
    :routes,
    :port,
    :instance,
    :owner,
    :nursery,
    :budget,
    :bulk,
    bulk?: false
  ]

  @type t :: %__MODULE__{
          name: atom,
          ids: :atomics.atomics_ref(),
          routes: :ets.tid(),
          port: port | nil,
          instance: pos_integer | nil,
          owner: pid | nil,
          nursery: pid | nil,
          budget: Davit.Collector.Budget.t() | nil,
          bulk: pid | nil,
          bulk?: boolean
        }

  @typedoc "What the engine is told when the process that waits dies: `cancel`, `unsubscribe` or nothing."
  @type kind :: :run | :request | :subscription | {:subscription, sent :: :counters.counters_ref()}

  # Of the numbers that `ids` counts: ids; the instance that runs; instances; tokens of the collector.
  @id 1
  @up 2
  @instance 3
  @token 4

  @doc false
  # The session of an engine that is to be started. What a name counts goes on for as long as the VM lives: a tensor or
  # program of an engine that was stopped is never taken for one of the next engine of that name.
  @spec new(atom, :ets.tid()) :: t
  def new(name, routes) do
    key = {__MODULE__, name}
    ids = :persistent_term.get(key, nil) || :atomics.new(4, [])
    :persistent_term.put(key, ids)
    %__MODULE__{name: name, routes: routes, ids: ids}
  end

  @doc "A number that was not used before: for a request, a tensor, a program, a queue or a transfer."
  @spec next_id(t) :: pos_integer
  def next_id(%__MODULE__{ids: ids}), do: :atomics.add_get(ids, @id, 1)

  @doc false
  # The number of a new token. Tokens are counted by themselves: the collector tells those in a row apart.
  @spec next_token(t) :: pos_integer
  def next_token(%__MODULE__{ids: ids}), do: :atomics.add_get(ids, @token, 1)

  @doc "Tells whether this is the session of a running engine, without asking anybody."
  @spec up?(t) :: boolean
  def up?(%__MODULE__{ids: ids, instance: instance}), do: :atomics.get(ids, @up) == instance

  @doc false
  # For the owner: the session is that of the running engine from now on; `nil` where none runs.
  @spec up(t, pos_integer | nil) :: :ok
  def up(%__MODULE__{ids: ids}, instance), do: :atomics.put(ids, @up, instance || 0)

  @doc false
  # For the owner: the number of the engine that it starts.
  @spec next_instance(t) :: pos_integer
  def next_instance(%__MODULE__{ids: ids}), do: :atomics.add_get(ids, @instance, 1)

  @doc "Puts a frame into the port. It suspends the calling process while the port is busy."
  @spec send_frame(t, iodata) :: :ok | {:error, EngineError.t()}
  def send_frame(%__MODULE__{port: port} = session, frame) do
    :erlang.port_command(port, frame)
    :ok
  catch
    :error, :badarg ->
      settle(session)
      {:error, lost(session)}
  end

  @doc "As `up?/1`, but asks the owner, who may have to hear of the engine's end first."
  @spec alive?(t) :: boolean
  def alive?(session) do
    settle(session)
    up?(session)
  end

  # The port's end is in the owner's mailbox: the owner knows of it before it answers this.
  defp settle(%__MODULE__{owner: owner}) do
    GenServer.call(owner, :status)
  catch
    :exit, _ -> :ok
  end

  @doc """
  Waits until the session is over, where one of its processes has died: its owner ends with it, or did before.
  """
  @spec ended(t) :: :ok
  def ended(%__MODULE__{owner: owner}) do
    ref = Process.monitor(owner)

    receive do
      {:DOWN, ^ref, _, _, _} -> :ok
    after
      # That was another's death: of a process that is started anew alone.
      1_000 -> Process.demonitor(ref, [:flush]) && :ok
    end
  end

  @doc "Sends a message that has no answer. An engine that is gone needs none."
  @spec notify(t, non_neg_integer, list) :: :ok
  def notify(session, request, message) do
    send_frame(session, Frame.encode(request, Msgpack.encode(message)))
    :ok
  end

  @doc "Makes the owner send what comes for `request` to the alias `ref`."
  @spec route(t, pos_integer, reference, kind) :: true
  def route(%__MODULE__{routes: routes}, request, ref, kind) do
    :ets.insert(routes, {request, ref, self(), kind})
  rescue
    # The table went with the engine, as the port did before it: what is sent next gives the error.
    ArgumentError -> true
  end

  @doc "Ends what `route/4` began."
  @spec unroute(t, pos_integer) :: true
  def unroute(%__MODULE__{routes: routes}, request) do
    :ets.delete(routes, request)
  rescue
    ArgumentError -> true
  end

  @doc "Tells whether somebody waits for the answer to a request."
  @spec routed?(t, pos_integer) :: boolean
  def routed?(%__MODULE__{routes: routes}, request) do
    :ets.member(routes, request)
  rescue
    ArgumentError -> false
  end

  @doc "Answers a request in place of the engine, if somebody waits for it."
  @spec answer(t, pos_integer, binary | EngineError.t()) :: :ok
  def answer(%__MODULE__{routes: routes}, request, answer) do
    for {_, to, _, _} <- :ets.take(routes, request), do: send(to, {to, answer})
    :ok
  rescue
    ArgumentError -> :ok
  end

  @doc "The requests whose answers go to the alias `ref`. It looks through the whole table."
  @spec routed(t, reference) :: [pos_integer]
  def routed(%__MODULE__{routes: routes}, ref) do
    routes |> :ets.match({:"$1", ref, :_, :_}) |> List.flatten()
  rescue
    ArgumentError -> []
  end

  @doc "How many requests and subscriptions wait for something."
  @spec routes(t) :: non_neg_integer
  def routes(%__MODULE__{routes: routes}) do
    case :ets.info(routes, :size) do
      :undefined -> 0
      size -> size
    end
  end

  @doc "Tells whether a process waits for an answer of this engine."
  @spec waiting?(t, pid) :: boolean
  def waiting?(%__MODULE__{routes: routes}, pid) do
    match = {:_, :_, pid, :"$1"}
    # Nobody waits for what comes of a subscription.
    guards = [{:"=/=", :"$1", :subscription}, {:not, {:is_tuple, :"$1"}}]
    :ets.select(routes, [{match, guards, [true]}], 1) != :"$end_of_table"
  rescue
    ArgumentError -> false
  end

  @doc "The queue of the calling process. Its first use tells the owner to watch the process."
  @spec queue(t) :: pos_integer
  def queue(%__MODULE__{name: name, owner: owner} = session) do
    key = {__MODULE__, name}

    case Process.get(key) do
      {queue, ^owner} ->
        queue

      _ ->
        queue = next_id(session)
        send(owner, {:caller, self(), queue})
        Process.put(key, {queue, owner})
        queue
    end
  end

  @doc "The error of a call that was under way, or of a tensor that lived there, when the engine died."
  @spec lost(t) :: EngineError.t()
  def lost(%__MODULE__{name: name, instance: instance}),
    do: lost(instance, Davit.Engine.death(name, instance))

  @doc "The same, for an engine that ended as `death` says."
  @spec lost(pos_integer, death :: String.t()) :: EngineError.t()
  def lost(instance, death) do
    message = "the engine went away during the call: engine #{instance} #{death}"
    %EngineError{code: :engine_lost, message: message}
  end

  @doc "The error of a call that was under way when the engine's owner died."
  @spec owner_down(reason :: term) :: EngineError.t()
  def owner_down(reason) do
    %EngineError{
      code: :engine_lost,
      message: "the engine's processes ended: #{Exception.format_exit(reason)}"
    }
  end
end
