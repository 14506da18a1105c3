defmodule Davit.Collector.Nursery do
  @moduledoc false
  # Takes new tokens, at most one of a size in a batch. When the batch is full, or no more come, it collects
  # its garbage and reads the reference counts of what it holds. The sizes tell which address is
  # whose; a count of 1 means forgotten, and the others go to the owner with their addresses.
  #
  # A token whose size is in the batch already goes back to the end of the mailbox: what is in an unread message is not
  # among the binaries that are looked at. Sizes of tokens in a row differ, so that happens rarely.

  use GenServer

  alias Davit.Collector.{Owner, Token}

  @full Token.slots()

  defstruct [:owner, :free, batch: %{}, makers: %{}, put_back: 0]

  def start_link(name, owner, free),
    do: Davit.Engine.Part.start_link(__MODULE__, {owner, free}, name)

  @doc "The processes that made tokens since this was last asked."
  @spec makers(GenServer.server()) :: [pid]
  def makers(nursery), do: GenServer.call(nursery, :makers, :infinity)

  @doc "Empties the batch: what is forgotten is freed, the rest is with the owner."
  @spec flush(GenServer.server()) :: :ok
  def flush(nursery), do: GenServer.call(nursery, :flush, :infinity)

  @impl true
  def init({owner, free}) do
    Process.flag(:message_queue_data, :off_heap)
    {:ok, %__MODULE__{owner: owner, free: free}}
  end

  @impl true
  def handle_info({:own, item, token, pid}, state) do
    own(item, token, %{state | makers: Map.put(state.makers, pid, [])})
  end

  def handle_info({:again, item, token}, state) do
    own(item, token, %{state | put_back: state.put_back - 1})
  end

  def handle_info({:flush, from}, state), do: flushed(from, state)

  # No more came.
  def handle_info(:timeout, state), do: {:noreply, empty(state)}

  # Of somebody who is mistaken.
  def handle_info(_, state), do: next(state)

  @impl true
  def handle_call(:flush, from, state), do: flushed(from, state)

  def handle_call(:makers, _from, state) do
    answer = Map.keys(state.makers)
    {:reply, answer, %{state | makers: %{}}, wait(state)}
  end

  @impl true
  def handle_continue(:empty, state), do: state |> empty() |> next()

  defp flushed(from, %{batch: batch, put_back: 0} = state) when batch == %{} do
    # What the owner took over is garbage here, and would count.
    :erlang.garbage_collect()
    GenServer.reply(from, :ok)
    {:noreply, state}
  end

  # Tokens that were put back are in the mailbox by now: they go first.
  defp flushed(from, state) do
    state = empty(state)
    send(self(), {:flush, from})
    {:noreply, state}
  end

  defp own(item, token, %{batch: batch} = state) do
    size = byte_size(token)

    if is_map_key(batch, size) do
      send(self(), {:again, item, token})
      # In a step of its own, when the message is garbage.
      {:noreply, %{state | put_back: state.put_back + 1}, {:continue, :empty}}
    else
      state = %{state | batch: Map.put(batch, size, {item, token})}
      if map_size(batch) + 1 < @full, do: next(state), else: {:noreply, empty(state)}
    end
  end

  defp next(state), do: {:noreply, state, wait(state)}

  defp wait(%{batch: batch}), do: if(batch == %{}, do: :infinity, else: 0)

  defp empty(%{batch: batch} = state) when batch == %{}, do: state

  defp empty(%{batch: batch, owner: owner, free: free} = state) do
    :erlang.garbage_collect()
    {:binary, binaries} = Process.info(self(), :binary)
    {dead, live} = split(binaries, batch, [], [])
    if dead != [], do: run(free, dead)
    if live != [], do: Owner.adopt(owner, live)
    %{state | batch: %{}}
  end

  defp split([], _batch, dead, live), do: {dead, live}

  defp split([{address, size, count} | rest], batch, dead, live) when is_map_key(batch, size) do
    case {count, Map.fetch!(batch, size)} do
      {1, {item, _}} -> split(rest, batch, [item | dead], live)
      {_, {item, token}} -> split(rest, batch, dead, [{address, item, token} | live])
    end
  end

  defp split([_ | rest], batch, dead, live), do: split(rest, batch, dead, live)

  @doc false
  @spec run({module, atom, list}, list) :: term
  def run({module, function, arguments}, items), do: apply(module, function, [items | arguments])
end
