defmodule Davit.Collector do
  @moduledoc """
  Frees engine tensors, and unloads programs, that no Elixir term refers to any more.

  Each carries a token, a reference-counted binary that the collector holds too. `Process.info(pid, :binary)`
  shows a process the reference counts of the binaries it holds: where the count is 1, only the collector is
  left. A *nursery* takes new tokens in batches and finds their addresses by their sizes; an *owner* keeps those
  that outlive their first batch and looks again when it has adopted half as many as it holds.

  A process keeps what it forgot until the VM collects its garbage, and the VM does not know how much of the engine's memory
  that is. So there is a budget in bytes: when as much was made as was alive after the last collection (16 MiB at
  least), or half of what the engine can still allocate, the process that makes the next tensor waits while a
  *sweeper* collects the garbage of the processes that made tensors lately. Where that is not enough, it collects that of all
  processes that hold some. `reclaim/1` does the same where an allocation failed.

  What makes this sound: the nursery and the owner never send a tensor and run no user code. What they cannot
  see: a tensor that was sent to another node or through `:erlang.term_to_binary/1`; such a copy may find
  its tensor freed, and says so. Tensors record their node and refuse to be used on another.

  Where the VM does not count as expected (a self-test at the start finds out), tensors are freed by
  `Davit.Tensor.free/1` and at the exit of the process that made them.
  """

  use Supervisor

  alias Davit.Collector.{Budget, Exits, Nursery, Owner, SelfTest, Sweeper, Token}
  alias Davit.Engine.{Loader, Part, Reporter, Session}

  @type item ::
          {:tensor | :program, id :: pos_integer, instance :: pos_integer, bytes :: non_neg_integer}

  @doc false
  def start_link(session) do
    name = Part.name(session.name, :collector)
    Part.supervisor(Supervisor, [__MODULE__, session, [name: name]])
  end

  @impl true
  def init(session) do
    [nursery, owner, sweeper] =
      for part <- [:nursery, :tokens, :sweeper], do: Part.name(session.name, part)

    # Called in the collector's processes: it must hold nothing of a tensor but its id.
    free = {__MODULE__, :free, [session.name]}

    first =
      if SelfTest.passes?(),
        do: {Nursery, :start_link, [nursery, owner, free]},
        else: {Exits, :start_link, [nursery, free]}

    Supervisor.init(
      [
        %{id: Owner, start: {Owner, :start_link, [owner, free]}},
        %{id: Nursery, start: first},
        %{id: Sweeper, start: {Sweeper, :start_link, [sweeper, nursery, owner]}}
      ],
      strategy: :one_for_all,
      # Tokens that are lost free nothing any more: should one of these die, the engine begins anew.
      max_restarts: 0
    )
  end

  @doc """
  Makes an id and its token for what takes `bytes` in the engine, and hands the token to the collector. It may collect
  garbage first.

  The token has to be in every term that stands for the thing, and alive until the request that makes the
  thing is in the port.
  """
  @spec mint(Session.t(), :tensor | :program, non_neg_integer) :: {pos_integer, binary}
  def mint(session, kind, bytes) do
    if Budget.take(session.budget, bytes), do: make_room(session)
    id = Session.next_id(session)
    token = Token.new(Session.next_token(session), bytes)
    send(session.nursery, {:own, {kind, id, session.instance, bytes}, token, self()})
    {id, token}
  end

  defp make_room(session) do
    Sweeper.make_room(Part.name(session.name, :sweeper), session.budget)
  catch
    # The engine was stopped, and everything went with it.
    :exit, _ -> :ok
  end

  @doc """
  Collects the garbage of every process that made tensors lately or holds some, and frees what they had forgotten.
  """
  @spec reclaim(Session.t()) :: :ok
  def reclaim(session) do
    Sweeper.reclaim(Part.name(session.name, :sweeper), session.budget)
  catch
    :exit, _ -> :ok
  end

  @doc "How many tokens the collector holds."
  @spec live(Session.t()) :: non_neg_integer
  def live(session), do: Owner.live(Part.name(session.name, :tokens))

  @doc false
  # Things of an engine that is gone went with it.
  @spec free([item], atom) :: :ok
  def free(items, engine) do
    case :ets.lookup(engine, :session) do
      [{_, session}] ->
        free_in(session, items)
        count = %{count: length(items)}
        Reporter.telemetry(engine, [:collector, :freed], count, %{engine: engine})

      [] ->
        for {:program, id, _, _} <- items, do: Loader.forget(engine, id)
        :ok
    end
  end

  defp free_in(%{instance: instance} = session, items) do
    tensors = for {:tensor, id, ^instance, _} <- items, do: id
    if tensors != [], do: Session.notify(session, 0, ["free", tensors])
    # A program may have been loaded again since it was made, under the same id.
    for {:program, id, _, _} <- items, do: Davit.Program.unload(session, id)

    bytes = for {_, _, ^instance, bytes} <- items, do: bytes
    Budget.give_back(session.budget, length(bytes), Enum.sum(bytes))
  end
end
