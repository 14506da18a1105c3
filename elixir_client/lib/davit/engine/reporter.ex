defmodule Davit.Engine.Reporter do
  @moduledoc false
  # Passes the engine's log lines to Logger, and executes telemetry events for the owner and the collector. Both may block,
  # and handlers of telemetry may use the engine, so the owner and the collector must not do this themselves.

  use GenServer

  require Logger

  alias Davit.{Frame, Telemetry}
  alias Davit.Engine.{Name, Part}

  def start_link(name),
    do: Part.start_link(__MODULE__, nil, Part.name(name, :reporter))

  @doc "Logs a frame that belongs to no request."
  @spec message(atom, binary) :: :ok
  def message(engine, frame), do: cast(engine, {:message, frame})

  @doc "Logs that an engine ended or did not start, and when it is started again."
  @spec down(atom, Davit.EngineError.t(), non_neg_integer) :: :ok
  def down(engine, error, delay), do: cast(engine, {:down, engine, error, delay})

  @doc "Executes an event of `Davit.Telemetry`."
  @spec telemetry(atom, [atom], map, map) :: :ok
  def telemetry(engine, event, measurements, metadata) do
    if Telemetry.loaded?(),
      do: cast(engine, {:telemetry, event, measurements, metadata}),
      else: :ok
  end

  defp cast(engine, message), do: Part.cast(engine, :reporter, message)

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_cast({:telemetry, event, measurements, metadata}, state) do
    metadata = %{metadata | engine: Name.of(metadata.engine)}
    Telemetry.execute(event, measurements, metadata)
    {:noreply, state}
  end

  def handle_cast({:down, engine, error, delay}, state) do
    again = if delay == 0, do: "at once", else: "in #{delay} ms"

    Logger.warning(
      "#{Name.show(engine)}: #{Exception.message(error)}; it is started again #{again}"
    )

    {:noreply, state}
  end

  def handle_cast({:message, frame}, state) do
    case Frame.decode(frame) do
      {:ok, 0, ["log", level, text], _} when is_binary(text) ->
        Logger.log(level(level), text)

      # The error of a message that has no answer, such as a reply to a run that is over.
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

  @impl true
  # Messages that are not for this process.
  def handle_info(_, state), do: {:noreply, state}

  defp level("debug"), do: :debug
  defp level("info"), do: :info
  defp level("warning"), do: :warning
  defp level(_), do: :error
end
