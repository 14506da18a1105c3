defmodule Davit.TelemetryTest do
  # It defines the module :telemetry, for everyone.
  use ExUnit.Case, async: false

  alias Davit.{EngineError, Fake, Tensor}

  defmodule Recorder do
    def source do
      quote do
        def execute(event, measurements, metadata) do
          case {Process.whereis(Davit.TelemetryTest), event} do
            {nil, _} ->
              :ok

            # Handlers may use the engine.
            {pid, [:davit, :engine, :up]} ->
              send(pid, {event, measurements, metadata})
              send(pid, {:info, Davit.Engine.info(metadata.engine)})

            {pid, [:davit, :engine, :down]} ->
              send(pid, {event, measurements, metadata})
              send(pid, {:awaited, Davit.Engine.await(metadata.engine)})

            {pid, _} ->
              send(pid, {event, measurements, metadata})
          end
        end
      end
    end
  end

  setup do
    Process.register(self(), __MODULE__)
    Module.create(:telemetry, Recorder.source(), Macro.Env.location(__ENV__))

    on_exit(fn ->
      :code.purge(:telemetry)
      :code.delete(:telemetry)
      :code.purge(:telemetry)
    end)
  end

  # The events of one span, in order, as `:telemetry.span/3` executes them.
  defp assert_span(name, metadata, last \\ :stop) do
    assert_receive {[:davit, ^name, :start], times, start}
    assert %{monotonic_time: began, system_time: system} = times
    assert map_size(times) == 2 and is_integer(system)
    assert_receive {[:davit, ^name, ^last], measured, ending}
    assert %{duration: duration, monotonic_time: ended} = measured
    assert map_size(measured) == 2 and duration == ended - began and duration >= 0
    assert Map.delete(start, :telemetry_span_context) == metadata
    {failure, ending} = Map.split(ending, [:kind, :reason, :stacktrace])
    assert ending == start and is_reference(start.telemetry_span_context)
    failure
  end

  test "spans have a start, and an end or an exception" do
    engine = Fake.start()
    echo = Fake.program(engine, "echo")
    loaded = %{engine: engine, hash: Davit.Graph.hash(echo.graph), bytes: byte_size(echo.graph)}
    assert assert_span(:load, loaded) == %{}
    assert [_] = Davit.run(echo, [<<0::512>>])
    run = %{engine: engine, program: echo.hash, runs: 1}
    assert assert_span(:run, run) == %{}
    Davit.run_many(echo, List.duplicate([<<0::512>>], 3))
    assert assert_span(:run, %{run | runs: 3}) == %{}
    tensor = Tensor.from_binary(<<1>>, {:uint8, {1}}, engine: engine, place: :engine)
    moved = %{engine: engine, type: {:uint8, {1}}, bytes: 1}
    assert assert_span(:put, moved) == %{}
    Tensor.to_binary(%{tensor | data: nil})
    assert assert_span(:get, moved) == %{}
    lost = put_in(tensor.ref.instance, 7)
    assert_raise EngineError, fn -> Tensor.to_binary(%{lost | data: nil}) end

    assert %{kind: :error, reason: %EngineError{code: :engine_lost}} =
             assert_span(:get, moved, :exception)

    assert_raise ArgumentError, fn -> Davit.run(echo, [1, 2]) end

    assert %{kind: :error, reason: %ArgumentError{}, stacktrace: [_ | _]} =
             assert_span(:run, run, :exception)

    assert_raise EngineError, fn -> Davit.load(echo.graph, engine: :none) end

    assert %{reason: %EngineError{code: :engine_down}} =
             assert_span(:load, %{loaded | engine: :none}, :exception)

    assert catch_throw(
             Davit.run(Fake.program(engine, "events:1"), [<<0::512>>], hooks: [{"h", &throw/1}])
           )

    assert_receive {[:davit, :run, :exception], _, %{kind: :throw, reason: %Davit.Hooks.Event{}}}
  end

  test "engines that start and end, and start again" do
    engine = Fake.start()
    assert_receive {[:davit, :engine, :up], %{duration: _}, %{engine: ^engine, instance: 1}}
    kill = Fake.program(engine, "kill")
    assert_raise EngineError, fn -> Davit.run(kill, [<<0::512>>]) end
    assert_receive {[:davit, :run, :exception], _, %{kind: :error, reason: %EngineError{}}}
    assert_receive {[:davit, :engine, :down], %{retry_in: 0}, %{error: %EngineError{}}}
    assert_receive {:info, %{"pid" => first}}
    assert_receive {:awaited, :ok}
    assert_receive {:info, %{"pid" => second}}
    refute first == second
  end
end
