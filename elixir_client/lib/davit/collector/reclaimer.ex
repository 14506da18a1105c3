defmodule Davit.Collector.Reclaimer do
  @moduledoc false
  # Collects the garbage of other processes, so that the tokens which they dropped are not referred to any more. An engine has
  # one, and processes that create tensors at the same time wait for the same collection.

  use GenServer

  alias Davit.Collector.{Budget, Nursery, Tenured}
  alias Davit.Deadline
  alias Davit.Engine.Part

  # A process that does not answer within this many milliseconds is busy in native code. It is left out.
  @patience 5_000

  defstruct [:nursery, :tenured]

  def start_link(name, nursery, tenured) do
    Part.start_link(__MODULE__, %__MODULE__{nursery: nursery, tenured: tenured}, name)
  end

  @doc "Collects the garbage of processes that created tensors lately, and of all if that is not enough. Called when the budget is used up."
  @spec make_room(GenServer.server(), Budget.t()) :: :ok
  def make_room(reclaimer, budget), do: GenServer.call(reclaimer, {:make_room, budget}, :infinity)

  @doc "Collects the garbage of all processes that may have dropped tensors."
  @spec reclaim(GenServer.server(), Budget.t()) :: :ok
  def reclaim(reclaimer, budget), do: GenServer.call(reclaimer, {:reclaim, budget}, :infinity)

  @impl true
  def init(state), do: {:ok, state}

  @impl true
  def handle_call({:make_room, budget}, {caller, _}, state) do
    # The collection for another process may have been enough.
    if Budget.over?(budget) do
      # Tensors that were dropped lately are mostly in the young generation of a heap.
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
  # The answer of a process came too late.
  def handle_info(_, state), do: {:noreply, state}

  defp collect_all(state) do
    collect(Tenured.holders(state.tenured), :major)
    sweep(state)
  end

  defp sweep(state) do
    Nursery.flush(state.nursery)
    Tenured.sweep(state.tenured)
  end

  defp collect(pids, type) do
    tag = make_ref()
    # The VM answers for a dead process too.
    for pid <- pids, do: :erlang.garbage_collect(pid, async: tag, type: type)
    collected(length(pids), tag, Deadline.new(@patience))
  end

  defp collected(0, _tag, _deadline), do: :ok

  defp collected(count, tag, deadline) do
    receive do
      {:garbage_collect, ^tag, _} -> collected(count - 1, tag, deadline)
    after
      Deadline.left(deadline) -> :ok
    end
  end
end
