defmodule Davit.Collector.Tenured do
  @moduledoc false
  # Holds the tokens that outlived the nursery, by address. It reads their reference counts when many tokens have been added
  # since the last time, and when it is asked to.

  use GenServer

  alias Davit.Collector.Nursery

  @least 4096

  defstruct [:free, tokens: %{}, added: 0]

  def start_link(name, free), do: Davit.Engine.Part.start_link(__MODULE__, free, name)

  @doc "Adds tokens, with their addresses."
  @spec add(atom, [{address :: term, item :: term, token :: binary}]) :: term
  def add(tenured, tokens), do: send(tenured, {:add, tokens})

  @doc "Frees the tensors that were dropped."
  @spec sweep(GenServer.server()) :: :ok
  def sweep(tenured), do: GenServer.call(tenured, :sweep, :infinity)

  @doc "Returns the processes whose heaps refer to its tokens, garbage included. It looks at all processes of the VM."
  @spec holders(GenServer.server()) :: [pid]
  def holders(tenured), do: GenServer.call(tenured, :holders, :infinity)

  @doc "Returns how many tokens it holds."
  @spec live(GenServer.server()) :: non_neg_integer
  def live(tenured), do: GenServer.call(tenured, :live, :infinity)

  @impl true
  def init(free) do
    Process.flag(:message_queue_data, :off_heap)
    {:ok, %__MODULE__{free: free}}
  end

  @impl true
  def handle_info({:add, new}, state) do
    tokens = Enum.reduce(new, state.tokens, &put/2)
    added = state.added + length(new)

    # In a step of its own: the message that holds the tokens is garbage only then.
    if added >= max(@least, div(map_size(tokens), 2)),
      do: {:noreply, %{state | tokens: tokens}, {:continue, :sweep}},
      else: {:noreply, %{state | tokens: tokens, added: added}}
  end

  # A message that is not for this process.
  def handle_info(_, state), do: {:noreply, state}

  @impl true
  def handle_continue(:sweep, state), do: {:noreply, sweep_all(state)}

  @impl true
  def handle_call(:sweep, _from, state), do: {:reply, :ok, sweep_all(state)}
  def handle_call(:live, _from, state), do: {:reply, map_size(state.tokens), state}

  def handle_call(:holders, _from, state) do
    pids = for pid <- Process.list(), pid != self(), holds?(pid, state.tokens), do: pid
    {:reply, pids, state}
  end

  defp put({address, item, token}, tokens), do: Map.put(tokens, address, {item, token})

  defp holds?(pid, tokens) do
    case Process.info(pid, :binary) do
      {:binary, binaries} -> Enum.any?(binaries, &is_map_key(tokens, elem(&1, 0)))
      nil -> false
    end
  end

  defp sweep_all(state) do
    :erlang.garbage_collect()
    {:binary, binaries} = Process.info(self(), :binary)
    {tokens, dead} = take(binaries, state.tokens, [])
    if dead != [], do: Nursery.run(state.free, dead)
    %{state | tokens: tokens, added: 0}
  end

  # A count of 1 is the reference of the map. A token that is also in an unread message of this process has 2.
  defp take([], tokens, dead), do: {tokens, dead}

  defp take([{address, _size, 1} | rest], tokens, dead) when is_map_key(tokens, address) do
    {{item, _}, tokens} = Map.pop!(tokens, address)
    take(rest, tokens, [item | dead])
  end

  defp take([_ | rest], tokens, dead), do: take(rest, tokens, dead)
end
