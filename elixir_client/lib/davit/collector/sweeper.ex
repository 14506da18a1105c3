defmodule Davit.Collector.Sweeper do
  @moduledoc false
  # Collects garbage of other processes, so that tokens that they forgot can be seen to be forgotten. One for an engine:
  # processes that make tensors at the same time wait for the same collection.

  use GenServer

  alias Davit.Collector.{Budget, Nursery, Owner}

  # A process that does not answer within this many milliseconds is busy in native code: its garbage can wait.
  @patience 5_000

  defstruct [:nursery, :owner]

  def start_link(name, nursery, owner),
    do: Davit.Engine.Part.start_link(__MODULE__, %__MODULE__{nursery: nursery, owner: owner}, name)

  @doc "Collects what processes forgot lately, and looks further where that is not enough. For a budget that is used up."
  @spec make_room(GenServer.server(), Budget.t()) :: :ok
  def make_room(sweeper, budget), do: GenServer.call(sweeper, {:make_room, budget}, :infinity)

  @doc "Collects the garbage of all processes that may have forgotten something."
  @spec reclaim(GenServer.server(), Budget.t()) :: :ok
  def reclaim(sweeper, budget), do: GenServer.call(sweeper, {:reclaim, budget}, :infinity)

  @impl true
  def init(state), do: {:ok, state}

  @impl true
  def handle_call({:make_room, budget}, {caller, _}, state) do
    # Another process may have waited for the same before.
    if Budget.over?(budget) do
      # What was forgotten lately is mostly young.
      collect(Enum.uniq([caller | Nursery.makers(state.nursery)]), :minor)
      sweep(state)
      if Budget.grown?(budget), do: collect_all(state)
      Budget.set(budget, Budget.held(budget))
    end

    {:reply, :ok, state}
  end

  def handle_call({:reclaim, budget}, _from, state) do
    collect(Nursery.makers(state.nursery), :major)
    Nursery.flush(state.nursery)
    collect_all(state)
    Budget.set(budget, Budget.held(budget))
    {:reply, :ok, state}
  end

  @impl true
  # Of a process that answered too late.
  def handle_info(_, state), do: {:noreply, state}

  defp collect_all(state) do
    collect(Owner.holders(state.owner), :major)
    sweep(state)
  end

  defp sweep(state) do
    Nursery.flush(state.nursery)
    Owner.sweep(state.owner)
  end

  defp collect(pids, type) do
    tag = make_ref()
    # One that is dead answers too.
    for pid <- pids, do: :erlang.garbage_collect(pid, async: tag, type: type)
    collected(length(pids), tag, System.monotonic_time(:millisecond) + @patience)
  end

  defp collected(0, _tag, _deadline), do: :ok

  defp collected(count, tag, deadline) do
    receive do
      {:garbage_collect, ^tag, _} -> collected(count - 1, tag, deadline)
    after
      max(0, deadline - System.monotonic_time(:millisecond)) -> :ok
    end
  end
end
