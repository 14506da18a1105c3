defmodule Davit.Engine.Writer do
  @moduledoc false
  # Does what the owner must not do: it writes into the port, which may suspend a process, and it passes
  # the engine's log lines to Logger, which may block one.

  use GenServer

  require Logger

  alias Davit.Frame
  alias Davit.Engine.Session

  def start_link(name),
    do: GenServer.start_link(__MODULE__, nil, name: Davit.Engine.part(name, :writer))

  @doc "Sends a frame, later."
  def send_frame(session, frame), do: cast(session, {:frame, session, frame})

  @doc "Handles a frame that belongs to no request."
  def message(session, frame), do: cast(session, {:message, frame})

  @doc """
  Runs `fun` with the session unless it was run for `key` and this instance before. What it sends is in the
  port before anything that the caller sends after this.
  """
  @spec once(Session.t(), term, (Session.t() -> :ok | {:error, Exception.t()})) ::
          :ok | {:error, Exception.t()}
  def once(session, key, fun),
    do: GenServer.call(session.writer, {:once, session, key, fun}, :infinity)

  defp cast(session, message), do: GenServer.cast(Davit.Engine.part(session.name, :writer), message)

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_cast({:frame, session, frame}, state) do
    # An engine that is gone by now needs no word from us; its owner sees the exit itself.
    _ = Session.send_frame(session, frame)
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

  @impl true
  def handle_call({:once, session, key, fun}, _from, state) do
    instance = session.instance

    case :ets.lookup(session.name, key) do
      [{_, ^instance}] ->
        {:reply, :ok, state}

      _ ->
        answer = fun.(session)
        if answer == :ok, do: :ets.insert(session.name, {key, instance})
        {:reply, answer, state}
    end
  end

  defp level("debug"), do: :debug
  defp level("info"), do: :info
  defp level("warning"), do: :warning
  defp level(_), do: :error
end
