defmodule Davit.Engine.Session do
  @moduledoc """
  What a calling process needs to speak to a running engine, without asking another process.

  The engine's owner puts it in the engine's table when the engine is up and takes it away when it is not.
  Frames go from the calling process straight into the port; answers come back through the owner, by
  way of `routes`: rows of `{request, alias, pid, kind}`.
  """

  alias Davit.{EngineError, Frame, Msgpack}

  @enforce_keys [:name, :ids, :routes]
  defstruct [
    :name,
    :ids,
    :routes,
    :port,
    :instance,
    :owner,
    :writer,
    :nursery,
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
          writer: pid | nil,
          nursery: pid | nil,
          bulk: pid | nil,
          bulk?: boolean
        }

  @typedoc "What the engine is told when the process that waits dies: `cancel`, `unsubscribe` or nothing."
  @type kind :: :run | :subscription | :request

  @doc "A number that was not used before: for a request, a tensor, a program, a queue or a transfer."
  @spec next_id(t) :: pos_integer
  def next_id(%__MODULE__{ids: ids}), do: :atomics.add_get(ids, 1, 1)

  @doc "Tells whether this is the session of a running engine, without asking anybody."
  @spec up?(t) :: boolean
  def up?(%__MODULE__{ids: ids, instance: instance}), do: :atomics.get(ids, 2) == instance

  @doc false
  # For the owner: the session is that of the running engine from now on; `nil` where none runs.
  @spec up(t, pos_integer | nil) :: :ok
  def up(%__MODULE__{ids: ids}, instance), do: :atomics.put(ids, 2, instance || 0)

  @doc "Puts a frame into the port. It suspends the calling process while the port is busy."
  @spec send_frame(t, iodata) :: :ok | {:error, EngineError.t()}
  def send_frame(%__MODULE__{port: port} = session, frame) do
    :erlang.port_command(port, frame)
    :ok
  catch
    :error, :badarg -> {:error, lost(session)}
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
  end

  @doc "Ends what `route/4` began."
  @spec unroute(t, pos_integer) :: true
  def unroute(%__MODULE__{routes: routes}, request), do: :ets.delete(routes, request)

  @doc "Tells whether a process waits for an answer of this engine."
  @spec waiting?(t, pid) :: boolean
  def waiting?(%__MODULE__{routes: routes}, pid) do
    match = {:_, :_, pid, :"$1"}
    :ets.select(routes, [{match, [{:"=/=", :"$1", :subscription}], [true]}], 1) != :"$end_of_table"
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
  def lost(%__MODULE__{name: name, instance: instance}) do
    %EngineError{
      code: :engine_lost,
      message:
        "the engine went away during the call: engine #{instance} #{Davit.Engine.death(name, instance)}"
    }
  end
end
