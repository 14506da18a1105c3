defmodule Davit.Engine.Writer do
  @moduledoc false
  # Writes into the port for the owner. A busy port suspends the process that writes, and the owner must not be suspended.

  use GenServer

  alias Davit.Engine.{Part, Session}

  def start_link(name),
    do: Part.start_link(__MODULE__, nil, Part.name(name, :writer))

  @doc "Sends a frame, asynchronously."
  @spec send_frame(Session.t(), iodata) :: :ok
  def send_frame(session, frame),
    do: Part.cast(session.name, :writer, {:frame, session, frame})

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_cast({:frame, session, frame}, state) do
    # If the engine is gone by now, nothing has to be sent: the owner handles its exit.
    _ = Session.send_frame(session, frame)
    {:noreply, state}
  end

  @impl true
  # Messages that are not for this process.
  def handle_info(_, state), do: {:noreply, state}
end
