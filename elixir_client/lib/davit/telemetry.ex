defmodule Davit.Telemetry do
  @moduledoc """
  The events that Davit executes for `:telemetry`.

  `:telemetry` is not a dependency: events are executed if it is loaded. Without it nothing is measured.

  ## Spans

  Each of these executes a `:start` event, and then a `:stop` event or, if it raised, an `:exception` event, as
  `:telemetry.span/3` does. They are executed in the calling process.

  | span | what it covers | metadata |
  |---|---|---|
  | `[:davit, :load]` | `Davit.load/2` | `engine`: the engine's name; `hash`: that of the graph, in hex; `bytes`: of the graph's encoding |
  | `[:davit, :run]` | a call of `Davit.run/3` or `Davit.run_many/3` | `engine`; `program`: the hash of its graph; `runs`: how many |
  | `[:davit, :put]` | a tensor's values are sent to the engine | `engine`; `type`: a `t:Davit.Type.t/0`; `bytes`: of the values |
  | `[:davit, :get]` | a tensor's values are read from the engine | `engine`; `type`; `bytes` |
  | `[:davit, :compile]` | a function of `Nx.Defn` is traced, lowered and loaded | `engine`; `function`: its name; `reason`: see `Davit.Compiler.stats/0` |
  | `[:davit, :verify]` | what the store had is compared with the function, in a process of its own: `verify: :background` of `Davit.Compiler` | `engine`; `function` |

  The measurements and further metadata of their events:

  | event | measurements | metadata beside the span's |
  |---|---|---|
  | `[:davit, ..., :start]` | `monotonic_time`, `system_time` | `telemetry_span_context`: the same in the events of one span |
  | `[:davit, ..., :stop]` | `duration`, `monotonic_time` | `telemetry_span_context` |
  | `[:davit, ..., :exception]` | `duration`, `monotonic_time` | `telemetry_span_context`; `kind`, `reason`, `stacktrace` |

  All times and durations are in native time units; see `System.convert_time_unit/3`.

  ## Single events

  These are executed in a process of the engine, unless said otherwise. Their handlers may use the engine.

  | event | when | measurements | metadata |
  |---|---|---|---|
  | `[:davit, :engine, :up]` | an engine is ready | `duration`: of its start, in native time units | `engine`; `instance`: 1 for the first engine of this name, counted up at each start; `hello`: what the engine said of itself |
  | `[:davit, :engine, :down]` | an engine ended or did not start | `retry_in`: until the next start, in milliseconds | `engine`; `instance`; `error`: a `Davit.EngineError` |
  | `[:davit, :nx, :host]` | `Nx.BinaryBackend` computes an operation that MLX cannot do exactly; in the calling process | `count`: 1 | `operation`; `type`: that of the result, as Nx writes it |
  | `[:davit, :collector, :freed]` | tensors and programs that nothing refers to were freed | `count`: how many | `engine` |
  """

  @doc false
  @spec execute([atom], map, map) :: :ok
  def execute(event, measurements, metadata) do
    if loaded?(), do: apply(:telemetry, :execute, [[:davit | event], measurements, metadata])
    :ok
  end

  @doc false
  # Whoever measures a time asks this first.
  @spec loaded?() :: boolean
  def loaded?, do: function_exported?(:telemetry, :execute, 3)

  @doc false
  # `:telemetry.span/3` without extra measurements. `metadata` is called where :telemetry is loaded.
  @spec span(atom, (() -> map), (() -> result)) :: result when result: term
  def span(name, metadata, fun) do
    if loaded?(), do: measured(name, metadata.(), fun), else: fun.()
  end

  defp measured(name, metadata, fun) do
    metadata = Map.put(metadata, :telemetry_span_context, make_ref())
    start = System.monotonic_time()
    times = %{monotonic_time: start, system_time: System.system_time()}
    execute([name, :start], times, metadata)

    try do
      fun.()
    catch
      kind, reason ->
        failure = %{kind: kind, reason: reason, stacktrace: __STACKTRACE__}
        execute([name, :exception], since(start), Map.merge(metadata, failure))
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        execute([name, :stop], since(start), metadata)
        result
    end
  end

  defp since(start) do
    now = System.monotonic_time()
    %{duration: now - start, monotonic_time: now}
  end
end
