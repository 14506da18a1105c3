defmodule Davit.Engine.Writer do
  @moduledoc false
  # Writes into the port what no caller writes itself:
  #
  #   * frames of the owner: a busy port suspends the process that writes, and the owner must not be suspended;
  #   * recorded runs, many in one frame.
  #
  # Recorded runs are written when there are enough of them, when some time has passed, and before any other frame that a
  # process of this VM writes: `Davit.Engine.Session.send_frame/2` sees to that. So an engine gets everything in the order in
  # which it was sent, also where a tensor went to another process before the run that makes it was written, or where its
  # maker is gone.

  use GenServer

  alias Davit.Collector
  alias Davit.Engine.{Burst, Part, Recorded, Session}

  # Runs wait for more runs no longer than this many milliseconds.
  @patience 1

  def start_link(name),
    do: Part.start_link(__MODULE__, name, Part.name(name, :writer))

  @doc "Sends a frame, asynchronously."
  @spec send_frame(Session.t(), iodata) :: :ok
  def send_frame(session, frame),
    do: Part.cast(session.name, :writer, {:frame, session, frame})

  @doc "Returns when all runs that were recorded before are written."
  @spec flush(Session.t()) :: :ok
  def flush(session) do
    GenServer.call(session.writer, :flush, :infinity)
  catch
    # The engine's processes ended.
    :exit, _ -> :ok
  end

  @impl true
  def init(name) do
    # Many processes may wait for it, each with other work.
    Process.flag(:priority, :high)
    Recorded.create_table(name)
    {:ok, name}
  end

  @impl true
  # A first run was recorded, and more may come.
  def handle_info(:recorded, name), do: {:noreply, name, @patience}
  def handle_info(:many_recorded, name), do: {:noreply, name, write_recorded(name)}

  def handle_info(:timeout, name) do
    case write_recorded(name) do
      :infinity -> {:noreply, name, :hibernate}
      patience -> {:noreply, name, patience}
    end
  end

  # Messages that are not for this process.
  def handle_info(_, name), do: {:noreply, name, @patience}

  @impl true
  def handle_cast({:frame, session, frame}, name) do
    write_recorded(name)
    # If the engine is gone by now, nothing has to be sent: the owner handles its exit.
    _ = Session.write(session, frame)
    {:noreply, name, @patience}
  end

  @impl true
  def handle_call(:flush, _from, name), do: {:reply, :ok, name, write_recorded(name)}

  # Returns how long to wait for the next message.
  defp write_recorded(name) do
    case :ets.lookup(name, :session) do
      [{_, session}] ->
        if Recorded.send_all(session, &write(&1, session)), do: @patience, else: :infinity

      # What is recorded is lost with the engine that has ended.
      [] ->
        :infinity
    end
  end

  defp write([], _session), do: :ok

  defp write(rows, session) do
    # If the engine is gone by now, so are the outputs of the runs.
    for frame <- Burst.frames(for {run, _, _} <- rows, do: run), do: Session.write(session, frame)

    for rows <- Enum.chunk_by(rows, &elem(&1, 2)) do
      minted = for {_, minted, _} <- rows, output <- minted, do: output
      Collector.own(session, minted, rows |> hd() |> elem(2))
    end
  end
end
