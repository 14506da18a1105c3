defmodule Davit.Engine.Reporter do
  @moduledoc false
  # Tells people: it passes the engine's log lines to Logger, and executes events of telemetry. Both may block a process,
  # and handlers of telemetry may use the engine, so the owner and the collector leave that to this one.

  use GenServer

  require Logger

  alias Davit.{Frame, Telemetry}

  def start_link(name),
    do: GenServer.start_link(__MODULE__, nil, name: Davit.Engine.part(name, :reporter))

  @doc "Handles a frame that belongs to no request."
  @spec message(atom, binary) :: :ok
  def message(engine, frame), do: cast(engine, {:message, frame})

  @doc "Executes an event of `Davit.Telemetry`."
  @spec telemetry(atom, [atom], map, map) :: :ok
  def telemetry(engine, event, measurements, metadata) do
    if Telemetry.loaded?(),
      do: cast(engine, {:telemetry, event, measurements, metadata}),
      else: :ok
  end

  defp cast(engine, message), do: GenServer.cast(Davit.Engine.part(engine, :reporter), message)

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_cast({:telemetry, event, measurements, metadata}, state) do
    Telemetry.execute(event, measurements, metadata)
    {:noreply, state}
  end

  def handle_cast({:message, frame}, state) do
    case Frame.decode(frame) do
      {:ok, 0, ["log", level, text], _} when is_binary(text) ->
        Logger.log(level(level), text)

      # To a message that has no answer, such as a reply to a run that was over by then.
      {:ok, 0, ["error", error], _} ->
        Logger.debug(fn ->
          "the engine: #{Exception.message(Davit.EngineError.from_wire(error))}"
        end)

      {:ok, 0, [type | _], _} ->
        Logger.warning("the engine sent an unknown message #{inspect(type)}")

      {:error, why} ->
        Logger.warning("the engine sent a frame that cannot be read: #{why}")

      _ ->
        :ok
    end

    {:noreply, state}
  end

  defp level("debug"), do: :debug
  defp level("info"), do: :info
  defp level("warning"), do: :warning
  defp level(_), do: :error
end
