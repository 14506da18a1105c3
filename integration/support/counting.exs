# Counts in a loop whose body is labelled, until it is told to stop on its standard input; then prints how far it came.
# Nothing here is for whoever watches.
alias Davit.Graph, as: G

:ok = Davit.Engine.await()

graph =
  G.build([{:int32, {}}], fn x ->
    G.while(x, fn x -> G.greater_equal(x, 0) end, fn x -> G.add(x, 1, label: "count.step") end)
  end)

program = Davit.load(graph)

defmodule Counting do
  # The engine may die, which is what is tested: the VM goes on.
  def run(program) do
    Davit.run(program, [0], timeout: :infinity)
  rescue
    error in Davit.EngineError -> IO.puts("lost #{error.code}")
  end
end

{:ok, task} = Task.start(fn -> Counting.run(program) end)
reference = Process.monitor(task)
IO.puts("counting")

receive do
  {:DOWN, ^reference, _, _, _} -> IO.puts("down")
end
