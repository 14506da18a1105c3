# Measures from Elixir, with an engine of its own. See ../worker.ts for the requests.
#
#     mix run elixir.exs NODE REPOSITORY

Code.require_file("elixir/ports.exs", __DIR__)
Code.require_file("elixir/engine.exs", __DIR__)
Code.require_file("elixir/hooks.exs", __DIR__)

defmodule Bench.Worker do
  @measures %{
    "echo" => {Bench.Ports, :echo},
    "echoPipelined" => {Bench.Ports, :pipelined},
    "echoReady" => {Bench.Ports, :echo_ready},
    "nodeReady" => {Bench.Ports, :node_ready},
    "ready" => {Bench.Engine, :ready},
    "roundtrip" => {Bench.Engine, :roundtrip},
    "pipelined" => {Bench.Engine, :pipelined},
    "bulkIn" => {Bench.Engine, :bulk_in},
    "bulkOut" => {Bench.Engine, :bulk_out},
    "callLoop" => {Bench.Hooks, :call_loop},
    "callLoopAmong" => {Bench.Hooks, :call_loop_among},
    "loopMemory" => {Bench.Engine, :loop_memory},
    "hooksCounted" => {Bench.Hooks, :counted},
    "hooksDynamic" => {Bench.Hooks, :dynamic},
    "hooksSlowReader" => {Bench.Hooks, :slow_reader}
  }

  def start do
    [node, repository] = System.argv()
    :persistent_term.put({Bench, :node}, node)
    :persistent_term.put({Bench, :repository}, repository)
    loop(Port.open({:fd, 3, 4}, [:binary, :eof, {:packet, 4}]))
  end

  defp loop(port) do
    receive do
      {^port, {:data, request}} ->
        [name | numbers] = String.split(request)
        :erlang.garbage_collect()
        Port.command(port, answer(name, Enum.map(numbers, &String.to_integer/1)))
        loop(port)

      {^port, :eof} ->
        System.halt(0)
    end
  end

  defp answer(name, numbers) do
    {module, function} = Map.fetch!(@measures, name)
    samples = apply(module, function, numbers)
    ["ok" | Enum.map(samples, &[" ", to_string(&1)])]
  catch
    kind, reason -> ["error ", Exception.format(kind, reason, __STACKTRACE__)]
  end
end

Bench.Worker.start()
