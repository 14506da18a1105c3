defmodule Davit.Engine.Session do
  @moduledoc false
  # The data that a process needs to exchange messages with a running engine, without a call to another process.
  #
  # The engine's owner puts the session into the engine's table when the engine is up, and removes it when the engine ends.
  # The calling process writes frames into the port itself. Answers come back through the owner, which finds their receiver
  # in `routes` (`Davit.Engine.Routes`).

  alias Davit.{EngineError, Frame, Msgpack}
  alias Davit.Engine.{Recorded, Writer}

  @derive {Inspect, only: [:name, :instance]}
  @enforce_keys [:name, :ids, :routes]
  defstruct [
    :name,
    :ids,
    :routes,
    :port,
    :instance,
    :owner,
    :writer,
    :recorded,
    :nursery,
    :budget,
    :bulk,
    bulk?: false
  ]

  @type t :: %__MODULE__{
          name: atom,
          ids: :atomics.atomics_ref(),
          routes: Davit.Engine.Routes.t(),
          port: port | nil,
          instance: pos_integer | nil,
          owner: pid | nil,
          writer: pid | nil,
          recorded: Recorded.t() | nil,
          nursery: pid | nil,
          budget: Davit.Collector.Budget.t() | nil,
          bulk: pid | nil,
          bulk?: boolean
        }

  # The counters in `ids`: ids; the instance that runs, or 0; instances; tokens of the collector.
  @id 1
  @up 2
  @instance 3
  @token 4

  @doc false
  # Returns the session of an engine that is to be started. The counters of a name live as long as the VM, so a tensor or
  # program of a stopped engine is never mistaken for one of the next engine with that name.
  @spec new(atom, Davit.Engine.Routes.t()) :: t
  def new(name, routes) do
    key = {__MODULE__, name}
    ids = :persistent_term.get(key, nil) || :atomics.new(4, [])
    :persistent_term.put(key, ids)
    %__MODULE__{name: name, routes: routes, ids: ids}
  end

  @doc "Returns a number that was not used before, for a request, a tensor, a program, a queue or a transfer."
  @spec next_id(t) :: pos_integer
  def next_id(%__MODULE__{ids: ids}), do: :atomics.add_get(ids, @id, 1)

  @doc "Returns the number that was used last."
  @spec last_id(t) :: non_neg_integer
  def last_id(%__MODULE__{ids: ids}), do: :atomics.get(ids, @id)

  @doc false
  # Returns the number of a new token. Tokens have a counter of their own, as the collector needs consecutive numbers.
  @spec next_token(t) :: pos_integer
  def next_token(%__MODULE__{ids: ids}), do: :atomics.add_get(ids, @token, 1)

  @doc "Returns whether this is the session of the running engine, as far as the owner knows by now."
  @spec up?(t) :: boolean
  def up?(%__MODULE__{ids: ids, instance: instance}), do: :atomics.get(ids, @up) == instance

  @doc false
  # Called by the owner: from now on this instance is the running engine; nil means that none runs.
  @spec up(t, pos_integer | nil) :: :ok
  def up(%__MODULE__{ids: ids}, instance), do: :atomics.put(ids, @up, instance || 0)

  @doc false
  # Called by the owner: returns the number of the engine that it starts next.
  @spec next_instance(t) :: pos_integer
  def next_instance(%__MODULE__{ids: ids}), do: :atomics.add_get(ids, @instance, 1)

  @doc """
  Writes a frame into the port, after all runs that are recorded. It suspends the calling process while the port is busy.
  """
  @spec send_frame(t, iodata) :: :ok | {:error, EngineError.t()}
  def send_frame(%__MODULE__{} = session, frame) do
    if Recorded.any?(session), do: Writer.flush(session)
    write(session, frame)
  end

  @doc "As `send_frame/2`, but before the runs that are recorded. For the writer, and for what no recorded run depends on."
  @spec write(t, iodata) :: :ok | {:error, EngineError.t()}
  def write(%__MODULE__{port: port} = session, frame) do
    :erlang.port_command(port, frame)
    :ok
  catch
    :error, :badarg ->
      settle(session)
      {:error, lost(session)}
  end

  @doc "As `up?/1`, after a call to the owner, which may not have handled the engine's end yet."
  @spec alive?(t) :: boolean
  def alive?(session) do
    settle(session)
    up?(session)
  end

  # The message about the port's end is in the owner's mailbox, and is handled before this call.
  defp settle(%__MODULE__{owner: owner}) do
    GenServer.call(owner, :status)
  catch
    :exit, _ -> :ok
  end

  @doc """
  Waits for the end of the owner, after another process of the engine died: they end together.
  """
  @spec ended(t) :: :ok
  def ended(%__MODULE__{owner: owner}) do
    ref = Process.monitor(owner)

    receive do
      {:DOWN, ^ref, _, _, _} -> :ok
    after
      # The process that died was one that is restarted alone.
      1_000 -> Process.demonitor(ref, [:flush]) && :ok
    end
  end

  @doc "Sends a message that has no answer. If the engine is gone, nothing happens."
  @spec notify(t, non_neg_integer, list) :: :ok
  def notify(session, request, message) do
    send_frame(session, Frame.encode(request, Msgpack.encode(message)))
    :ok
  end

  @doc "Returns the queue of the calling process. The first call makes the owner monitor the process."
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

  @doc "Returns the error of a call that was under way when the engine ended."
  @spec lost(t) :: EngineError.t()
  def lost(%__MODULE__{name: name, instance: instance}),
    do: lost(instance, Davit.Engine.death(name, instance))

  @doc "As `lost/1`, for an engine that ended as `death` says."
  @spec lost(pos_integer, death :: String.t()) :: EngineError.t()
  def lost(instance, death) do
    message = "the engine went away during the call: engine #{instance} #{death}"
    %EngineError{code: :engine_lost, message: message}
  end

  @doc "Returns the error of a call that was under way when the engine's owner ended."
  @spec owner_down(reason :: term) :: EngineError.t()
  def owner_down(reason) do
    %EngineError{
      code: :engine_lost,
      message: "the engine's processes ended: #{Exception.format_exit(reason)}"
    }
  end
end
