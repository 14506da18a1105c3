# Embeds sentences in an engine that runs as a port of this VM, while two other processes watch every layer.
# demo-elixir.ts writes the request and reads the answer; `npm run demo` calls both.

defmodule Demo do
  alias Davit.Hooks
  alias Davit.Hooks.Event

  def run(request) do
    {start, :ok} =
      timed(fn ->
        {:ok, _} = Davit.start_link(command: request["engine"])
        Davit.Engine.await()
      end)

    IO.puts("The engine runs as a port (#{ms(start)}).")

    # The weights are only named here; the engine reads each from the file when the run first needs it.
    {load, program} =
      timed(fn ->
        names = request["externals"]
        weights = Davit.open_file(request["weights"], names |> Map.values() |> Enum.uniq())
        externals = Map.new(names, fn {external, name} -> {external, Map.fetch!(weights, name)} end)
        Davit.load(File.read!(request["graph"]), externals: externals)
      end)

    IO.puts("#{inspect(program)} is loaded (#{ms(load)}).\n\nLayers, as they are computed:")

    watchers = [watch("values", :full), watch("summaries", :summary)]
    inputs = for {:bin, bytes} <- request["inputs"], do: bytes
    {run, [embeddings]} = timed(fn -> Davit.run(program, inputs, fetch: 1_000_000) end)
    events = Map.new(watchers, &seen(&1, length(request["layers"])))

    IO.puts("\nEmbedded in #{ms(run)}.\n")
    embeddings = Davit.Tensor.to_list(embeddings)
    similarities(request["sentences"], embeddings)

    %{
      "embeddings" => embeddings,
      "events" => events,
      "timings" => %{"start" => start, "load" => load, "run" => run}
    }
  end

  # Starts a process that is subscribed to all hooks, prints what comes, and tells this one.
  defp watch(name, view) do
    parent = self()

    watcher =
      spawn_link(fn ->
        {:ok, ref} = Hooks.subscribe(:all, view: view)
        send(parent, {:subscribed, self()})
        watcher(parent, name, ref)
      end)

    receive do: ({:subscribed, ^watcher} -> {name, watcher})
  end

  defp watcher(parent, name, ref) do
    receive do
      {:davit_hook, ^ref, event} ->
        IO.puts("  #{String.pad_trailing(name, 9)}  #{event.name}  #{text(Event.value(event))}")
        send(parent, {:seen, self(), event.name})
        watcher(parent, name, ref)
    end
  end

  # The layers that a watcher saw, in order.
  defp seen({name, watcher}, count) do
    layers =
      for _ <- 1..count do
        receive do
          {:seen, ^watcher, layer} -> layer
        after
          10_000 -> raise "the process that watches #{name} did not get all layers"
        end
      end

    {name, layers}
  end

  defp text(%Davit.Tensor{type: type} = tensor) do
    bytes = Davit.Tensor.to_binary(tensor)
    first = for <<x::float-little-32 <- binary_part(bytes, 0, 16)>>, do: fixed(x)
    kib = round(byte_size(bytes) / 1024)
    "#{Davit.Type.format(type)}  #{kib} KiB  #{Enum.join(first, " ")} ..."
  end

  defp text(%{min: min, max: max, mean: mean, std: std}) do
    "min #{fixed(min)}  max #{fixed(max)}  mean #{fixed(mean)}  std #{fixed(std)}"
  end

  # The cosine of every pair; the vectors have length 1.
  defp similarities(sentences, embeddings) do
    numbered = Enum.with_index(sentences, 1)
    for {sentence, n} <- numbered, do: IO.puts("  #{n}  #{sentence}")
    IO.puts("\n     " <> Enum.map_join(numbered, fn {_, n} -> String.pad_leading("#{n}", 6) end))

    for {a, n} <- Enum.with_index(embeddings, 1) do
      row = for b <- embeddings, do: Enum.zip_reduce(a, b, 0.0, fn x, y, sum -> sum + x * y end)
      cosines = Enum.map_join(row, &String.pad_leading(:erlang.float_to_binary(&1, decimals: 2), 6))
      IO.puts("  #{String.pad_leading("#{n}", 2)} #{cosines}")
    end
  end

  defp fixed(x), do: String.pad_leading(:erlang.float_to_binary(x, decimals: 4), 8)

  defp timed(fun) do
    {microseconds, result} = :timer.tc(fun)
    {microseconds / 1000, result}
  end

  defp ms(milliseconds), do: "#{round(milliseconds)} ms"
end

[path] = System.argv()
request = path |> File.read!() |> Davit.Msgpack.decode!()
answer = Demo.run(request)
File.write!(request["answer"], Davit.Msgpack.encode(answer))
