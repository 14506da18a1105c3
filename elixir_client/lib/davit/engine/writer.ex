defmodule Davit.Engine.Writer do
  @moduledoc false
  # Does what the owner and the collector must not do: it writes into the port, which may suspend a process, and it calls
  # Logger and the handlers of telemetry, which may block one.

  use GenServer

  require Logger

  alias Davit.{Frame, Telemetry}
  alias Davit.Engine.Session

  def start_link(name),
    do: GenServer.start_link(__MODULE__, nil, name: Davit.Engine.part(name, :writer))

  @doc "Sends a frame, later."
  def send_frame(session, frame), do: cast(session, {:frame, session, frame})

  @doc "Handles a frame that belongs to no request."
  def message(session, frame), do: cast(session, {:message, frame})

  @doc "Executes an event of `Davit.Telemetry`, whose handlers may use the engine."
  @spec telemetry(atom, [atom], map, map) :: :ok
  def telemetry(engine, event, measurements, metadata) do
    if Telemetry.loaded?(),
      do: cast(%{name: engine}, {:telemetry, event, measurements, metadata}),
      else: :ok
  end

  defp cast(%{name: name}, message), do: GenServer.cast(Davit.Engine.part(name, :writer), message)

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_cast({:frame, session, frame}, state) do
    # An engine that is gone by now needs no word from us; its owner sees the exit itself.
    _ = Session.send_frame(session, frame)
    {:noreply, state}
  end

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
