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

  test "events are executed where :telemetry is loaded" do
    engine = Fake.start()
    echo = Fake.program(engine, "echo")
    assert_receive {[:davit, :engine, :up], %{duration: _}, %{engine: ^engine, instance: 1}}
    assert_receive {[:davit, :load, :stop], %{duration: _, bytes: _}, %{engine: ^engine}}
    assert [_] = Davit.run(echo, [<<0::512>>])
    assert_receive {[:davit, :run, :stop], %{duration: d}, %{engine: ^engine, runs: 1}}
    assert is_integer(d)
    tensor = Tensor.from_binary(<<1>>, {:uint8, {1}}, engine: engine, place: :engine)
    Tensor.to_binary(%{tensor | data: nil})
    assert_receive {[:davit, :put, :stop], %{bytes: 1}, %{type: {:uint8, {1}}}}
    assert_receive {[:davit, :get, :stop], %{bytes: 1}, %{type: {:uint8, {1}}}}
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
