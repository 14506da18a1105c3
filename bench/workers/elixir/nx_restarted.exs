defmodule Bench.Nx.Restarted do
  # What a VM measures that has just begun, with the store of the one before it.

  alias Bench.Nx.Transformer

  @doc """
  Milliseconds until the first result of a transformer of so many layers, with a hook in each and a function at each hook; and how many
  functions the store had.
  """
  def first(layers) do
    called = :counters.new(1, [])
    hooks = for layer <- 1..layers, into: %{}, do: {:"layer.#{layer}", fn _ -> :counters.add(called, 1, 1) end}
    arguments = Transformer.values(layers)
    options = [compiler: Davit, hooks: hooks]

    [time] =
      Bench.Ports.timed(1, fn -> (&Transformer.hooked/2) |> Nx.Defn.jit_apply(arguments, options) |> Nx.to_binary() end)

    ^layers = :counters.get(called, 1)
    [time / 1000, Davit.Compiler.stats().stored]
  end

  @doc "Microseconds of the first calls of so many small functions, less those of the second calls; and how many functions the store had."
  def hits(count) do
    options = [compiler: Davit]
    Nx.Defn.jit_apply(&Nx.negate/1, [1], options)

    for number <- 1..count do
      function = Nx.Defn.jit(fn x -> Nx.add(Nx.multiply(x, 2), number) end, options)
      call = fn -> Nx.to_number(function.(1)) end
      [[first], [second]] = for _ <- 1..2, do: Bench.Ports.timed(1, call)
      first - second
    end ++ [Davit.Compiler.stats().stored]
  end
end
