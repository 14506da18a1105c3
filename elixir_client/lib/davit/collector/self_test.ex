defmodule Davit.Collector.SelfTest do
  @moduledoc false
  # Tests that this VM counts references to binaries as the collector needs it. A process gets two tokens. One is dropped by
  # its sender and one is kept: the process has to see a count of 1 for the first, and more for the second.

  alias Davit.Collector.Token

  @spec passes?() :: boolean
  def passes? do
    kept = Token.new(1, 0)
    {pid, ref} = spawn_monitor(__MODULE__, :look, [self()])
    send(pid, {:token, kept})
    make_and_drop(pid)
    :erlang.garbage_collect()
    send(pid, :look)

    seen =
      receive do
        {^pid, seen} -> seen
        {:DOWN, ^ref, _, _, _} -> :died
      end

    Process.demonitor(ref, [:flush])
    match?({two, 1} when two > 1, seen) and byte_size(kept) > 64
  end

  defp make_and_drop(pid), do: send(pid, {:token, Token.new(2, 0)}) && :ok

  @doc false
  @spec look(pid) :: term
  def look(parent) do
    Process.flag(:message_queue_data, :off_heap)
    tokens = for _ <- 1..2, do: receive(do: ({:token, token} -> token))
    receive(do: (:look -> :ok))
    :erlang.garbage_collect()
    {:binary, binaries} = Process.info(self(), :binary)
    counts = Map.new(binaries, fn {_, size, count} -> {size, count} end)
    [kept, dropped] = Enum.map(tokens, &Map.get(counts, byte_size(&1)))
    send(parent, {self(), {kept, dropped}})
  end
end
