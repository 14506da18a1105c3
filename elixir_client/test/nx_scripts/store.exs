# Runs a function with hooks, compiled with the store, and prints what came and what was counted. test/nx/compiler/store_test.exs starts it.

defmodule Davit.Test.Stored do
  import Nx.Defn
  import Davit.Test.AgainstEvaluator

  defn layers(x, w) do
    x = watch(x * w, :named)
    {x, _} = while({x, i = 0}, i < 3, do: {watch(x + 1, &Davit.Test.Stored.seen/1), i + 1})
    Nx.sum(x)
  end

  def seen(x), do: send(:collector, {:seen, Nx.to_flat_list(x)})
end

Process.register(self(), :collector)
Davit.Engine.await(Davit.Engine)
[scale] = Enum.map(System.argv(), &String.to_integer/1)
parent = self()
began = System.monotonic_time(:microsecond)

result =
  Nx.Defn.jit_apply(&Davit.Test.Stored.layers/2, [Nx.tensor([1.0, 2.0]), Nx.tensor(scale)],
    compiler: Davit,
    store: true,
    hooks: %{named: &send(parent, {:named, Nx.to_flat_list(&1)})}
  )

result = Nx.to_number(result)
took = System.monotonic_time(:microsecond) - began
{:messages, messages} = Process.info(self(), :messages)
events = Enum.filter(messages, &match?({tag, _} when tag in [:named, :seen], &1))
counts = Map.reject(Davit.Compiler.stats(), fn {_, count} -> count == 0 end)
IO.puts(inspect({result, events, counts, took}, limit: :infinity))
