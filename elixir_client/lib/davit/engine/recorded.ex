defmodule Davit.Engine.Recorded do
  @moduledoc false
  # The runs of an engine that are recorded and not sent yet, in a table that belongs to its writer. To record a run wakes no
  # process, but the writer when it is the first one. `Davit.Engine.Writer` sends them.

  alias Davit.Collector
  alias Davit.Engine.{Burst, Part, Session}

  # The writer is told of every so many.
  @many 32
  # The states of an engine's runs: none is recorded, some are, or the writer is about to send what there was.
  @none 0
  @some 1
  @sending 2

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

  @doc "Returns whether runs are recorded, of which a process may know."
  @spec any?(Session.t()) :: boolean
  def any?(%{recorded: state}), do: :atomics.get(state, 1) != @none

  @doc "Returns the state of the runs of a session that begins."
  @spec new_state() :: :atomics.atomics_ref()
  def new_state, do: :atomics.new(2, [])

  @doc """
  Records a run. `minted` are its outputs, which the collector gets when the run is sent; `alive` is a term with the tokens that
  have to be alive until then. If the engine has ended, the run is lost.
  """
  @spec add(Session.t(), Burst.run(), [Collector.minted()], term) :: :ok
  def add(%{recorded: state} = session, run, minted, alive) do
    :ets.insert(table(session.name), {elem(run, 0), session.instance, run, {minted, self()}, alive})
    before = :atomics.exchange(state, 1, @some)
    count = :atomics.add_get(state, 2, 1)

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
  Calls `send` with all runs of the session that were recorded before, in the order of their requests, and forgets them. A run
  that takes the output of another one has the higher number. Returns whether there may be more.
  """
  @spec send_all(Session.t(), ([row] -> term)) :: boolean
        when row: {Burst.run(), {[Collector.minted()], maker :: pid}, alive :: term}
  def send_all(%{recorded: state, instance: instance, name: name} = session, send) do
    :atomics.put(state, 1, @sending)
    # A run with a higher number may take the output of one that is inserted behind the traversal.
    last = Session.last_id(session)
    rows = :ets.select(table(name), [{{:"$1", :_, :_, :_, :_}, [{:"=<", :"$1", last}], [:"$_"]}])
    send.(for {_, ^instance, run, minted, alive} <- rows, do: {run, minted, alive})
    for row <- rows, do: :ets.delete(table(name), elem(row, 0))
    :atomics.compare_exchange(state, 1, @sending, @none) != :ok
  end
end
