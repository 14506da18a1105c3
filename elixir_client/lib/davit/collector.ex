defmodule Davit.Collector do
  @moduledoc """
  Frees engine tensors, and unloads programs, that no Elixir term refers to any more.

  Each carries a token, a reference-counted binary that the collector holds too. `Process.info(pid, :binary)`
  shows a process the reference counts of the binaries it holds: where the count is 1, only the collector is
  left. A *nursery* takes new tokens in batches and finds their addresses by their sizes; an *owner* keeps those
  that outlive their first batch and looks again when it has adopted half as many as it holds.

  What makes this sound: these two processes never hold or send a tensor and run no user code. What it cannot
  see: a tensor that was sent to another node or through `:erlang.term_to_binary/1`; such a copy may find
  its tensor freed, and says so. Tensors record their node and refuse to be used on another.

  A process that does nothing keeps what it forgot until the VM collects its garbage. `reclaim/1`
  makes the processes that made tensors collect at once; it is called when the engine is out of memory.

  Where the VM does not count as expected (a self-test at the start finds out), tensors are freed by
  `Davit.Tensor.free/1` and at the exit of the process that made them.
  """

  use Supervisor

  alias Davit.Collector.{Nursery, Owner, Token}
  alias Davit.Engine.{Loader, Reporter, Session}

  @type item :: {:tensor | :program, id :: pos_integer, instance :: pos_integer}

  @doc false
  def start_link(session) do
    Supervisor.start_link(__MODULE__, session, name: Davit.Engine.part(session.name, :collector))
  end

  @impl true
  def init(session) do
    mode = if Davit.Collector.SelfTest.passes?(), do: :counting, else: :exits
    nursery = Davit.Engine.part(session.name, :nursery)
    owner = Davit.Engine.part(session.name, :tokens)
    # Called in the collector's processes: it must hold nothing of a tensor but its id.
    free = {__MODULE__, :free, [session.name]}

    Supervisor.init(
      [
        %{id: Owner, start: {Owner, :start_link, [owner, free]}},
        %{id: Nursery, start: {Nursery, :start_link, [nursery, owner, free, mode]}}
      ],
      strategy: :one_for_all,
      # Tokens that are lost free nothing any more: should one of the two die, the engine begins anew.
      max_restarts: 0
    )
  end

  @doc """
  Makes an id and its token and hands the token to the collector.

  The token has to be in every term that stands for the thing, and alive until the request that makes the
  thing is in the port.
  """
  @spec mint(Session.t(), :tensor | :program, non_neg_integer) :: {pos_integer, binary}
  def mint(session, kind, bytes) do
    id = Session.next_id(session)
    token = Token.new(id, bytes)
    send(session.nursery, {:own, {kind, id, session.instance}, token, self()})
    {id, token}
  end

  @doc """
  Collects the garbage of every process that made tensors lately, and frees what they had forgotten.
  """
  @spec reclaim(Session.t()) :: :ok
  def reclaim(session) do
    collect(Nursery.makers(session.nursery), self())
    sweep(session)
  catch
    # The engine was stopped, and everything went with it.
    :exit, _ -> :ok
  end

  @doc "Frees what is known to be forgotten now, without collecting anyone's garbage but the collector's."
  @spec sweep(Session.t()) :: :ok
  def sweep(session) do
    :ok = Nursery.flush(session.nursery)
    Owner.sweep(Davit.Engine.part(session.name, :tokens))
  end

  @doc "How many tokens the collector holds."
  @spec live(Session.t()) :: non_neg_integer
  def live(session), do: Owner.live(Davit.Engine.part(session.name, :tokens))

  defp collect(pids, self) do
    tag = make_ref()
    others = List.delete(pids, self)
    # One that is dead answers too.
    for pid <- others, do: :erlang.garbage_collect(pid, async: tag)
    :erlang.garbage_collect()
    collected(length(others), tag)
  end

  defp collected(0, _tag), do: :ok

  defp collected(count, tag) do
    receive do
      {:garbage_collect, ^tag, _} -> collected(count - 1, tag)
    end
  end

  @doc false
  # Things of an engine that is gone went with it.
  @spec free([item], atom) :: :ok
  def free(items, engine) do
    case :ets.lookup(engine, :session) do
      [{_, %{instance: instance} = session}] ->
        tensors = for {:tensor, id, ^instance} <- items, do: id
        if tensors != [], do: Session.notify(session, 0, ["free", tensors])
        # A program may have been loaded again since it was made, under the same id.
        for {:program, id, _} <- items, do: Davit.Program.unload(session, id)

        count = %{count: length(items)}
        Reporter.telemetry(engine, [:collector, :freed], count, %{engine: engine})

      [] ->
        for {:program, id, _} <- items, do: Loader.forget(engine, id)
        :ok
    end
  end
end
