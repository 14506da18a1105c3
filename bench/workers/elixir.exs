# Measures from Elixir, with an engine of its own. See ../worker.ts for the requests.
#
#     mix run elixir.exs NODE REPOSITORY

Code.require_file("elixir/ports.exs", __DIR__)
Code.require_file("elixir/engine.exs", __DIR__)
Code.require_file("elixir/hooks.exs", __DIR__)
Code.require_file("elixir/worker.exs", __DIR__)

Bench.Worker.start(%{
  "echo" => {Bench.Ports, :echo},
  "echoPipelined" => {Bench.Ports, :pipelined},
  "echoReady" => {Bench.Ports, :echo_ready},
  "nodeReady" => {Bench.Ports, :node_ready},
  "ready" => {Bench.Engine, :ready},
  "roundtrip" => {Bench.Engine, :roundtrip},
  "pipelined" => {Bench.Engine, :pipelined},
  "embed" => {Bench.Engine, :embed},
  "bulkIn" => {Bench.Engine, :bulk_in},
  "bulkOut" => {Bench.Engine, :bulk_out},
  "callLoop" => {Bench.Hooks, :call_loop},
  "callLoopAmong" => {Bench.Hooks, :call_loop_among},
  "loopMemory" => {Bench.Engine, :loop_memory},
  "hooksCounted" => {Bench.Hooks, :counted},
  "hooksDynamic" => {Bench.Hooks, :dynamic},
  "hooksSlowReader" => {Bench.Hooks, :slow_reader}
})
