defmodule Davit.Collector.Nursery do
  @moduledoc false
  # Takes new tokens, at most one of each size in a batch. When the batch is full, or no more tokens come, it collects its
  # own garbage and reads the reference counts of the binaries that it holds. Sizes tell which address belongs to which
  # token. A count of 1 means that the tensor was dropped; the other tokens go to `Davit.Collector.Tenured`, with their
  # addresses.
  #
  # Tokens whose sizes are in the batch already go back to the end of the mailbox, as binaries in unread messages are not
  # among those that are read. Consecutive tokens differ in size, so this is rare.

  use GenServer

  alias Davit.Collector.{Tenured, Token}

  @full Token.slots()

  defstruct [:tenured, :free, batch: %{}, makers: %{}, put_back: 0]

  def start_link(name, tenured, free),
    do: Davit.Engine.Part.start_link(__MODULE__, {tenured, free}, name)

  @doc "Returns the processes that created tokens since the last call of this function."
  @spec makers(GenServer.server()) :: [pid]
  def makers(nursery), do: GenServer.call(nursery, :makers, :infinity)

  @doc "Empties the batch: dropped tensors are freed, and the other tokens are tenured."
  @spec flush(GenServer.server()) :: :ok
  def flush(nursery), do: GenServer.call(nursery, :flush, :infinity)

  @impl true
  def init({tenured, free}) do
    Process.flag(:message_queue_data, :off_heap)
    {:ok, %__MODULE__{tenured: tenured, free: free}}
  end

  @impl true
  def handle_info({:own, minted, pid}, state) do
    own(minted, %{state | makers: Map.put(state.makers, pid, [])})
  end

  def handle_info({:again, minted}, state) do
    own(minted, %{state | put_back: state.put_back - length(minted)})
  end

  def handle_info({:flush, from}, state), do: flushed(from, state)

  # No more tokens came.
  def handle_info(:timeout, state), do: {:noreply, empty(state)}

  # A message that is not for this process.
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
    # Tokens that were tenured are garbage here, and this garbage would count as a reference.
    :erlang.garbage_collect()
    GenServer.reply(from, :ok)
    {:noreply, state}
  end

  # Tokens that were put back are in the mailbox, so they are taken before this message.
  defp flushed(from, state) do
    state = empty(state)
    send(self(), {:flush, from})
    {:noreply, state}
  end

  defp own(minted, state) do
    {batch, others} = put(minted, state.batch, [])
    state = %{state | batch: batch}

    cond do
      others != [] ->
        send(self(), {:again, Enum.reverse(others)})
        # In a step of its own: the message that holds the tokens is garbage only then.
        {:noreply, %{state | put_back: state.put_back + length(others)}, {:continue, :empty}}

      map_size(batch) < @full ->
        next(state)

      true ->
        {:noreply, empty(state)}
    end
  end

  # The batch with the tokens whose sizes it does not have yet, and the others, from the last to the first.
  defp put([], batch, others), do: {batch, others}

  defp put([{_item, token} = minted | rest], batch, others) do
    size = byte_size(token)

    if is_map_key(batch, size),
      do: put(rest, batch, [minted | others]),
      else: put(rest, Map.put(batch, size, minted), others)
  end

  defp next(state), do: {:noreply, state, wait(state)}

  defp wait(%{batch: batch}), do: if(batch == %{}, do: :infinity, else: 0)

  defp empty(%{batch: batch} = state) when batch == %{}, do: state

  defp empty(%{batch: batch, tenured: tenured, free: free} = state) do
    :erlang.garbage_collect()
    {:binary, binaries} = Process.info(self(), :binary)
    {dead, live} = split(binaries, batch, [], [])
    if dead != [], do: run(free, dead)
    if live != [], do: Tenured.add(tenured, live)
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
