# Runs a graph file twice, bare and with a probe on a part of it, and tells what the probe saw.
# Arguments: graph, weights, a file with "hash name" lines, length of the sentence, glob, how many nodes it matches; the
# inputs are beside the graph.

[graph, weights, names, length, glob, count] = System.argv()
:ok = Davit.Engine.await()
names = for line <- File.stream!(names), do: line |> String.trim() |> String.split(" ")
tensors = Davit.open_file(weights, for([_, name] <- names, uniq: true, do: name))
constants = Map.new(names, fn [hash, name] -> {hash, Map.fetch!(tensors, name)} end)
program = Davit.load(File.read!(graph), constants: constants)

inputs =
  for {name, dtype} <- [{"ids", :int32}, {"mask", :float32}] do
    bytes = graph |> Path.dirname() |> Path.join(name) |> File.read!()
    Davit.Tensor.from_binary(bytes, {dtype, {1, String.to_integer(length)}})
  end

embed = fn -> program |> Davit.run(inputs) |> hd() |> Davit.Tensor.to_binary() end
bare = embed.()

{:ok, ref} = Davit.Hooks.subscribe({:probe, glob}, view: :summary)
watched = embed.()

for _ <- 1..String.to_integer(count) do
  receive do
    {:davit_hook, ^ref, event} ->
      %{count: elements, nan: 0, inf: 0} = Davit.Hooks.Event.value(event)
      IO.puts("#{event.label} #{elements}")
  end
end

:ok = Davit.Hooks.unsubscribe(ref)
again = embed.()

receive do
  {:davit_hook, ^ref, event} -> IO.puts("one too many: #{event.label}")
after
  0 -> IO.puts("same #{bare == watched and bare == again}")
end
