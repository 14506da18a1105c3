# Measures Nx on a backend and a compiler, by their names. See ../worker.ts for the requests.
#
#     mix run nx.exs NODE REPOSITORY [BACKEND [COMPILER]]
#
# Both are modules on the code path; Davit.Backend and Davit where they are not given.

Code.require_file("elixir/ports.exs", __DIR__)
Code.require_file("elixir/nx.exs", __DIR__)
Code.require_file("elixir/perceptron.exs", __DIR__)
Code.require_file("elixir/nx_transformer.exs", __DIR__)
Code.require_file("elixir/nx_store.exs", __DIR__)
Code.require_file("elixir/worker.exs", __DIR__)

Bench.Worker.start(%{
  "call" => {Bench.Nx, :call},
  "eagerTensor" => {Bench.Nx, :eager_tensor},
  "eagerLiteral" => {Bench.Nx, :eager_literal},
  "while" => {Bench.Nx, :while},
  "hooks" => {Bench.Nx, :hooks},
  "mlp" => {Bench.Perceptron, :forward},
  "train" => {Bench.Perceptron, :train},
  "trainLoss" => {Bench.Perceptron, :loss},
  "trace" => {Bench.Nx.Transformer, :trace},
  "compile" => {Bench.Nx.Transformer, :compile},
  "storeWarm" => {Bench.Nx.Store, :warm},
  "storeHit" => {Bench.Nx.Store, :hit},
  "fromBinary" => {Bench.Nx, :from_binary},
  "toBinary" => {Bench.Nx, :to_binary}
})
