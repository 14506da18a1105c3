defmodule Davit.Engine.Writer do
  @moduledoc false
  # Writes into the port for the owner, which must not: it may suspend a process.

  use GenServer

  alias Davit.Engine.{Part, Session}

  def start_link(name),
    do: Part.start_link(__MODULE__, nil, Part.name(name, :writer))

  @doc "Sends a frame, later."
  @spec send_frame(Session.t(), iodata) :: :ok
  def send_frame(session, frame),
    do: Part.cast(session.name, :writer, {:frame, session, frame})

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_cast({:frame, session, frame}, state) do
    # An engine that is gone by now needs no word from us; its owner sees the exit itself.
    _ = Session.send_frame(session, frame)
    {:noreply, state}
  end

  @impl true
  # Nobody sends this one anything: what comes is not for it.
  def handle_info(_, state), do: {:noreply, state}
end
