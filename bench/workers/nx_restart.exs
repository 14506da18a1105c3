# Measures the program store in a VM and an engine that have just begun, and prints samples. elixir/nx_store.exs starts it.
#
#     elixir -pa ... nx_restart.exs NODE REPOSITORY MEASURE COUNT STORED

for file <- ["ports.exs", "nx.exs", "nx_transformer.exs", "nx_restarted.exs"], do: Code.require_file("elixir/#{file}", __DIR__)

[node, repository, measure, count, stored] = System.argv()
Application.put_env(:davit, :engine, command: [node, Path.join(repository, "dist/cli/main.js"), "port"])
Application.put_env(:davit, :store, stored == "true")
{:ok, _} = Application.ensure_all_started(:davit)
Davit.Engine.await(Davit.Engine)
samples = apply(Bench.Nx.Restarted, String.to_existing_atom(measure), [String.to_integer(count)])
IO.puts(Enum.join(samples, " "))
