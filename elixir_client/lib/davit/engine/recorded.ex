defmodule Davit.Engine.Recorded do
  @moduledoc false
  # The runs of an engine that are recorded and not sent yet, in a table that belongs to `Davit.Engine.Writer`, which sends them.
  # Recording wakes the writer for the first of them and when there are many, and no other process.

  alias Davit.Collector
  alias Davit.Engine.{Burst, Part, Session}

  # Each time this many more runs are recorded, the writer is asked to send.
  @many 32
  # The atomics of a session: the state of its runs, and how many were recorded.
  @state 1
  @count 2
  # The states: none is recorded; some are; the writer has begun to send what there was.
  @none 0
  @some 1
  @sending 2

  @typedoc """
  What a session keeps for its runs: the name of the engine's table, since to make it takes a microsecond, and the
  atomics.
  """
  @type t :: {table :: atom, :atomics.atomics_ref()}

  @doc "Creates the table of an engine. It belongs to the calling process."
  @spec create_table(atom) :: :ok
  def create_table(engine) do
    # Many processes insert at once, and nothing here may make one of them wait for a lock.
    :ets.new(table(engine), [:ordered_set, :public, :named_table, write_concurrency: true])
    :ok
  end

  @doc "Returns the name of an engine's table."
  @spec table(atom) :: atom
  def table(engine), do: Part.name(engine, :recorded)

  @doc "Returns whether there may be runs that are recorded and not sent yet."
  @spec any?(Session.t()) :: boolean
  def any?(%{recorded: {_, atomics}}), do: :atomics.get(atomics, @state) != @none

  @doc "Returns what a session that begins has for its runs."
  @spec new(atom) :: t
  def new(engine), do: {table(engine), :atomics.new(2, [])}

  @doc """
  Records a run of the calling process. `minted` are its outputs, which the collector gets when the run is sent; `alive` is a
  term with the tokens that have to be alive until then. If the engine has ended, the run is lost.
  """
  @spec add(Session.t(), Burst.run(), [Collector.minted()], term) :: :ok
  def add(%{recorded: {table, atomics}} = session, run, minted, alive) do
    :ets.insert(table, {elem(run, 0), session.instance, run, minted, self(), alive})
    before = :atomics.exchange(atomics, @state, @some)
    count = :atomics.add_get(atomics, @count, 1)

    cond do
      rem(count, @many) == 0 -> send(session.writer, :many_recorded)
      before == @none -> send(session.writer, :recorded)
      true -> :ok
    end

    :ok
  rescue
    # The engine was stopped, and its table is gone.
    ArgumentError -> :ok
  end

  @doc """
  Calls `write` with all runs of the session that were recorded before, in the order of their requests, and forgets them. A run
  that takes the output of another one has the higher number. Returns whether there may be more.
  """
  @spec send_all(Session.t(), ([{Burst.run(), [Collector.minted()], maker :: pid}] -> term)) ::
          boolean
  def send_all(%{recorded: {table, atomics}, instance: instance} = session, write) do
    :atomics.put(atomics, @state, @sending)
    # A run with a higher number may take the output of one that is inserted behind the traversal.
    last = Session.last_id(session)

    rows = :ets.select(table, [{{:"$1", :_, :_, :_, :_, :_}, [{:"=<", :"$1", last}], [:"$_"]}])
    write.(for {_, ^instance, run, minted, maker, _} <- rows, do: {run, minted, maker})
    # Until here the table holds the tokens that have to be alive.
    for row <- rows, do: :ets.delete(table, elem(row, 0))
    :atomics.compare_exchange(atomics, @state, @sending, @none) != :ok
  end
end
