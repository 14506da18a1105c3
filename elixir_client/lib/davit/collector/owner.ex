defmodule Davit.Collector.Owner do
  @moduledoc false
  # Keeps the tokens that outlived the nursery, by address, and looks at their reference counts when it has
  # adopted many since the last time.

  alias Davit.Collector.Nursery

  @least 4096

  def start_link(name, free), do: :proc_lib.start_link(__MODULE__, :init, [self(), name, free])

  def init(parent, name, free) do
    Process.flag(:message_queue_data, :off_heap)
    Process.register(self(), name)
    :proc_lib.init_ack(parent, {:ok, self()})
    loop(%{}, 0, free)
  end

  @doc "Hands over tokens with their addresses."
  @spec adopt(atom, [{address :: term, item :: term, token :: binary}]) :: term
  def adopt(owner, tokens), do: send(owner, {:adopt, tokens})

  @doc "Frees what is forgotten, now."
  @spec sweep(atom) :: :ok
  def sweep(owner), do: Nursery.call(owner, :sweep)

  @doc "How many tokens it holds."
  @spec live(atom) :: non_neg_integer
  def live(owner), do: Nursery.call(owner, :live)

  defp loop(tokens, adopted, free) do
    receive do
      {:adopt, new} ->
        tokens = adopt_all(new, tokens)
        adopted = adopted + length(new)

        if adopted >= max(@least, div(map_size(tokens), 2)) do
          loop(sweep(tokens, free), 0, free)
        else
          loop(tokens, adopted, free)
        end

      {:sweep, from} ->
        tokens = sweep(tokens, free)
        send(from, {from, :ok})
        loop(tokens, 0, free)

      {:live, from} ->
        send(from, {from, map_size(tokens)})
        loop(tokens, adopted, free)
    end
  end

  defp adopt_all([], tokens), do: tokens

  defp adopt_all([{address, item, token} | rest], tokens) do
    adopt_all(rest, Map.put(tokens, address, {item, token}))
  end

  defp sweep(tokens, free) do
    :erlang.garbage_collect()
    {:binary, binaries} = Process.info(self(), :binary)
    {tokens, dead} = take(binaries, tokens, [])
    if dead != [], do: Nursery.run(free, dead)
    tokens
  end

  # A count of exactly 1: the map's own reference. (One that is in an unread message of ours has 2.)
  defp take([], tokens, dead), do: {tokens, dead}

  defp take([{address, _size, 1} | rest], tokens, dead) when is_map_key(tokens, address) do
    {{item, _}, tokens} = Map.pop!(tokens, address)
    take(rest, tokens, [item | dead])
  end

  defp take([_ | rest], tokens, dead), do: take(rest, tokens, dead)
end
