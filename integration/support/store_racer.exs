# Keeps, finds and runs programs in a store that other processes use as well, until it is killed. Prints a line for each ten rounds, and what
# was wrong.
alias Davit.{Graph, Program, Tensor}

[seed] = System.argv()
:rand.seed(:exsss, String.to_integer(seed))
:ok = Davit.Engine.await()

graph = fn n ->
  Graph.build([{:float32, {3}}], fn x -> x |> Graph.multiply(n) |> Graph.hook("product") end)
end

race = fn ->
  n = :rand.uniform(20)
  name = "race #{n}"

  case Program.load_kept(name, engine: Davit.Engine) do
    nil ->
      if not Program.keep(Davit.load(graph.(n)), name, "note #{n}"), do: IO.puts("not kept: #{n}")

    {program, note} ->
      [product] = Davit.run(program, [[1, 2, 3]])
      right? = Tensor.to_list(product) == [n * 1.0, n * 2.0, n * 3.0] and note == "note #{n}"
      if not right?, do: IO.puts("wrong: #{n}")
  end
end

for round <- Stream.iterate(1, &(&1 + 1)) do
  race.()
  if rem(round, 10) == 0, do: IO.puts("10")
end
