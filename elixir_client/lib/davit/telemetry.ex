defmodule Davit.Telemetry do
  @moduledoc """
  Events for `:telemetry`, which is not a dependency: they are executed when it is loaded.

  | event | measurements | metadata |
  |---|---|---|
  | `[:davit, :engine, :up]` | `duration` of the start | `engine`, `instance`, `hello` |
  | `[:davit, :engine, :down]` | `retry_in` milliseconds | `engine`, `instance`, `error` |
  | `[:davit, :load, :stop]` | `duration`, `bytes` of the graph | `engine`, `hash` |
  | `[:davit, :run, :stop]` | `duration` | `engine`, `program`, `runs` |
  | `[:davit, :run, :exception]` | `duration` | `engine`, `program`, `kind`, `reason` |
  | `[:davit, :put, :stop]`, `[:davit, :get, :stop]` | `duration`, `bytes` | `engine`, `type` |
  | `[:davit, :collector, :freed]` | `count` | `engine` |

  Durations are in native time units.
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
  @spec span([atom], map, (() -> {result, map})) :: result when result: term
  def span(event, metadata, fun) do
    if loaded?() do
      start = System.monotonic_time()
      {result, measurements} = fun.()
      duration = System.monotonic_time() - start
      execute(event, Map.put(measurements, :duration, duration), metadata)
      result
    else
      elem(fun.(), 0)
    end
  end
end
