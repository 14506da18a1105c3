defmodule Davit.Collector.Exits do
  @moduledoc false
  # Replaces the nursery if the VM does not count references as expected. It frees the tensors that a process created when
  # the process exits.

  use GenServer

  alias Davit.Collector.Nursery

  defstruct [:free, refs: %{}, made: %{}]

  def start_link(name, free), do: Davit.Engine.Part.start_link(__MODULE__, free, name)

  @impl true
  def init(free), do: {:ok, %__MODULE__{free: free}}

  @impl true
  def handle_info({:own, minted, pid}, state) do
    refs = Map.put_new_lazy(state.refs, pid, fn -> Process.monitor(pid) end)
    items = for {item, _token} <- minted, do: item
    made = Map.update(state.made, pid, items, &(items ++ &1))
    {:noreply, %{state | refs: refs, made: made}}
  end

  def handle_info({:DOWN, _, :process, pid, _}, state) do
    {items, made} = Map.pop(state.made, pid, [])
    Nursery.run(state.free, items)
    {:noreply, %{state | refs: Map.delete(state.refs, pid), made: made}}
  end

  def handle_info(_, state), do: {:noreply, state}

  @impl true
  def handle_call(:flush, _from, state), do: {:reply, :ok, state}
  # Collecting their garbage would free nothing.
  def handle_call(:makers, _from, state), do: {:reply, [], state}
end
