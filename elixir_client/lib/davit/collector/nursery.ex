defmodule Davit.Collector.Nursery do
  @moduledoc false
  # Takes new tokens, at most one of a size in a batch. When the batch is full, or no more come, it collects
  # its garbage and reads the reference counts of what it holds. The sizes tell which address is
  # whose; a count of 1 means forgotten, and the others go to the owner with their addresses.
  #
  # It is written as a plain loop, because what is on its heap and its stack is what this is about: a
  # token may be in the batch and nowhere else.

  alias Davit.Collector.{Owner, Token}

  @full Token.slots()

  def start_link(name, owner, free, mode) do
    :proc_lib.start_link(__MODULE__, :init, [self(), name, owner, free, mode])
  end

  def init(parent, name, owner, free, mode) do
    Process.flag(:message_queue_data, :off_heap)
    Process.register(self(), name)
    :proc_lib.init_ack(parent, {:ok, self()})

    case mode do
      :counting -> counting(%{}, %{}, owner, free)
      :exits -> exits(%{}, %{}, free)
    end
  end

  @doc "The processes that made tokens since this was last asked."
  @spec makers(pid) :: [pid]
  def makers(nursery), do: call(nursery, :makers)

  @doc "Empties the batch: what is forgotten is freed, the rest is with the owner."
  @spec flush(pid) :: :ok
  def flush(nursery), do: call(nursery, :flush)

  @doc false
  @spec call(pid | atom, atom) :: term
  def call(pid, what) do
    ref = :erlang.monitor(:process, pid, alias: :reply_demonitor)
    send(pid, {what, ref})

    receive do
      {^ref, answer} -> answer
      {:DOWN, ^ref, _, _, reason} -> exit(reason)
    end
  end

  defp counting(batch, makers, owner, free) when map_size(batch) >= @full do
    batch(batch, owner, free)
    counting(%{}, makers, owner, free)
  end

  defp counting(batch, makers, owner, free) do
    receive do
      {:own, item, token, pid} when not is_map_key(batch, byte_size(token)) ->
        batch = Map.put(batch, byte_size(token), {item, token})
        counting(batch, Map.put(makers, pid, []), owner, free)

      {:flush, from} when batch == %{} ->
        # What the owner took over is garbage here, and would count.
        :erlang.garbage_collect()
        send(from, {from, :ok})
        counting(batch, makers, owner, free)

      # A token whose size was taken may still be in the queue, before this message: it goes first.
      {:flush, from} ->
        batch(batch, owner, free)
        send(self(), {:flush, from})
        counting(%{}, makers, owner, free)

      {:makers, from} ->
        send(from, {from, Map.keys(makers)})
        counting(batch, %{}, owner, free)
    after
      if(batch == %{}, do: :infinity, else: 0) ->
        batch(batch, owner, free)
        counting(%{}, makers, owner, free)
    end
  end

  defp batch(batch, owner, free) do
    :erlang.garbage_collect()
    {:binary, binaries} = Process.info(self(), :binary)
    {dead, live} = split(binaries, batch, [], [])
    if dead != [], do: run(free, dead)
    if live != [], do: Owner.adopt(owner, live)
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

  # The fallback: what a process made is freed when it exits.
  defp exits(refs, made, free) do
    receive do
      {:own, item, _token, pid} ->
        refs = Map.put_new_lazy(refs, pid, fn -> Process.monitor(pid) end)
        exits(refs, Map.update(made, pid, [item], &[item | &1]), free)

      {:DOWN, _, :process, pid, _} ->
        {items, made} = Map.pop(made, pid, [])
        run(free, items)
        exits(Map.delete(refs, pid), made, free)

      {:flush, from} ->
        send(from, {from, :ok})
        exits(refs, made, free)

      {:makers, from} ->
        send(from, {from, []})
        exits(refs, made, free)
    end
  end
end
