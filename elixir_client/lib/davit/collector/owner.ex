defmodule Davit.Collector.Owner do
  @moduledoc false
  # Keeps the tokens that outlived the nursery, by address, and looks at their reference counts when it has
  # adopted many since the last time, or when it is told to.

  use GenServer

  alias Davit.Collector.Nursery

  @least 4096

  defstruct [:free, tokens: %{}, adopted: 0]

  def start_link(name, free), do: Davit.Engine.Part.start_link(__MODULE__, free, name)

  @doc "Hands over tokens with their addresses."
  @spec adopt(atom, [{address :: term, item :: term, token :: binary}]) :: term
  def adopt(owner, tokens), do: send(owner, {:adopt, tokens})

  @doc "Frees what is forgotten, now."
  @spec sweep(GenServer.server()) :: :ok
  def sweep(owner), do: GenServer.call(owner, :sweep, :infinity)

  @doc "The processes whose heaps refer to its tokens, as garbage too. It looks at all processes of the VM."
  @spec holders(GenServer.server()) :: [pid]
  def holders(owner), do: GenServer.call(owner, :holders, :infinity)

  @doc "How many tokens it holds."
  @spec live(GenServer.server()) :: non_neg_integer
  def live(owner), do: GenServer.call(owner, :live, :infinity)

  @impl true
  def init(free) do
    Process.flag(:message_queue_data, :off_heap)
    {:ok, %__MODULE__{free: free}}
  end

  @impl true
  def handle_info({:adopt, new}, state) do
    tokens = Enum.reduce(new, state.tokens, &adopt_one/2)
    adopted = state.adopted + length(new)

    # In a step of its own, when the message is garbage.
    if adopted >= max(@least, div(map_size(tokens), 2)),
      do: {:noreply, %{state | tokens: tokens}, {:continue, :sweep}},
      else: {:noreply, %{state | tokens: tokens, adopted: adopted}}
  end

  # Of somebody who is mistaken.
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

  defp adopt_one({address, item, token}, tokens), do: Map.put(tokens, address, {item, token})

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
    %{state | tokens: tokens, adopted: 0}
  end

  # A count of exactly 1: the map's own reference. (One that is in an unread message of ours has 2.)
  defp take([], tokens, dead), do: {tokens, dead}

  defp take([{address, _size, 1} | rest], tokens, dead) when is_map_key(tokens, address) do
    {{item, _}, tokens} = Map.pop!(tokens, address)
    take(rest, tokens, [item | dead])
  end

  defp take([_ | rest], tokens, dead), do: take(rest, tokens, dead)
end
