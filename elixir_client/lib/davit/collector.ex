defmodule Davit.Collector do
  @moduledoc false
  # Frees engine tensors, and unloads programs, models and snapshots, when no Elixir term refers to them any more.
  #
  # Each tensor carries a token, a reference-counted binary that the collector holds too. `Process.info(pid, :binary)`
  # returns the reference counts of the binaries that a process holds: a count of 1 means that only the collector holds the
  # token. As in other generational collectors, a *nursery* takes new tokens in batches, and finds their addresses by their
  # sizes; tokens that outlive their first batch are *tenured*, and checked again when half as many have been added.
  #
  # A process refers to a dropped tensor until the VM collects the garbage of the process, and the VM does not know how much
  # engine memory depends on that. So allocation has a budget in bytes: as much as was alive after the last collection
  # (at least 16 MiB), but no more than half of what the engine can still allocate. The process that exceeds it waits while a
  # *reclaimer* collects the garbage of the processes that created tensors lately, and then, if that is not enough, of all
  # processes that hold some. `reclaim/1` does the same after a failed allocation.
  #
  # The counts are right because the collector's processes never send a tensor and run no user code. A copy of a tensor on
  # another node, or in the result of `:erlang.term_to_binary/1`, is not counted: its tensor may be freed, and using it is
  # an error then. Tensors record their node, and using one on another node is an error as well.
  #
  # If the VM does not count references as expected, which a self-test finds out at the start, tensors are freed by
  # `Davit.Tensor.free/1` and when the process that created them exits.

  use Supervisor

  alias Davit.{Frame, Msgpack}
  alias Davit.Collector.{Budget, Exits, Nursery, Tenured, SelfTest, Reclaimer, Token}
  alias Davit.Engine.{Loader, Part, Reporter, Session}

  @type item ::
          {:tensor | :program | :model | :snapshot, id :: pos_integer, instance :: pos_integer,
           bytes :: non_neg_integer}

  @type minted :: {item, token :: binary}

  @doc false
  def start_link(session) do
    name = Part.name(session.name, :collector)
    Part.supervisor(Supervisor, [__MODULE__, session, [name: name]])
  end

  @impl true
  def init(session) do
    [nursery, tenured, reclaimer] =
      for part <- [:nursery, :tenured, :reclaimer], do: Part.name(session.name, part)

    # It is called in the collector's processes, so it must hold nothing of a tensor but its id.
    free = {__MODULE__, :free, [session.name]}

    first =
      if SelfTest.passes?(),
        do: {Nursery, :start_link, [nursery, tenured, free]},
        else: {Exits, :start_link, [nursery, free]}

    Supervisor.init(
      [
        %{id: Tenured, start: {Tenured, :start_link, [tenured, free]}},
        %{id: Nursery, start: first},
        %{id: Reclaimer, start: {Reclaimer, :start_link, [reclaimer, nursery, tenured]}}
      ],
      strategy: :one_for_all,
      # A token that is lost is never freed. So if one of these processes dies, the engine is started again.
      max_restarts: 0
    )
  end

  @doc """
  Creates an id and a token for a tensor, a program, a model or a snapshot that takes `bytes` in the engine, and passes the token to the
  collector. It may collect garbage first.

  Every term that stands for the tensor or program has to hold the token. The token has to be alive until the request
  that creates the tensor or program is in the port.
  """
  @spec mint(Session.t(), :tensor | :program | :model | :snapshot, non_neg_integer) ::
          {pos_integer, binary}
  def mint(session, kind, bytes) do
    {{_, id, _, _}, token} = minted = mint_later(session, kind, bytes)
    own(session, [minted], self())
    {id, token}
  end

  @doc "As `mint/3`. The collector does not get the token before `own/3`."
  @spec mint_later(Session.t(), :tensor | :program, non_neg_integer) :: minted
  def mint_later(session, kind, bytes) do
    if Budget.take(session.budget, bytes), do: make_room(session)
    id = Session.next_id(session)
    {{kind, id, session.instance, bytes}, Token.new(Session.next_token(session), bytes)}
  end

  @doc "Passes tokens that `maker` minted to the collector."
  @spec own(Session.t(), [minted], maker :: pid) :: :ok
  def own(session, minted, maker) do
    send(session.nursery, {:own, minted, maker})
    :ok
  end

  defp make_room(session) do
    Reclaimer.make_room(Part.name(session.name, :reclaimer), session.budget)
  catch
    # The engine was stopped, and its memory was freed with it.
    :exit, _ -> :ok
  end

  @doc """
  Collects the garbage of every process that created tensors lately or holds some, and frees the tensors that were
  dropped.
  """
  @spec reclaim(Session.t()) :: :ok
  def reclaim(session) do
    Reclaimer.reclaim(Part.name(session.name, :reclaimer), session.budget)
  catch
    :exit, _ -> :ok
  end

  @doc "Returns how many tokens the collector holds."
  @spec live(Session.t()) :: non_neg_integer
  def live(session), do: Tenured.live(Part.name(session.name, :tenured))

  @doc false
  # Tensors of an engine that is gone are gone with it.
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
    # No recorded run uses these tensors: it would hold their tokens until it is sent.
    free = Msgpack.encode(["free", tensors])
    if tensors != [], do: Session.write(session, Frame.encode(0, free))
    # A program may have been loaded again, under the same id, in a later engine.
    for {:program, id, _, _} <- items, do: Davit.Program.unload(session, id)
    for {:model, id, _, _} <- items, do: Davit.Model.unload(session, id)
    for {:snapshot, id, _, _} <- items, do: Davit.Generator.Snapshot.unload(session, id)

    bytes = for {_, _, ^instance, bytes} <- items, do: bytes
    Budget.give_back(session.budget, length(bytes), Enum.sum(bytes))
  end
end
