defmodule Davit.Engine.Reaper do
  @moduledoc false
  # Ends the operating system processes of ports that were closed: an engine ends by itself when its port does, but one
  # that hangs, was stopped by a signal or is some other program may not. It lives as long as the application, so that
  # nothing is left behind of an engine whose own processes were killed.

  use GenServer

  # Seconds for the process to end by itself, then by SIGTERM, before it is killed. A shell's, so that also a VM that halts
  # meanwhile leaves nothing behind. SIGKILL ends a stopped process too.
  @script """
  exec >/dev/null 2>&1
  sleep 1
  kill -TERM "$1" || exit 0
  for second in 1 2; do
    sleep 1
    kill -0 "$1" || exit 0
  done
  kill -KILL "$1"
  """

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "Makes the table of the ports that are watched. It belongs to the application, and outlives this process."
  @spec create_table() :: atom
  def create_table, do: :ets.new(__MODULE__, [:named_table, :public])

  @doc "Ends the port's process when the port ends in another way than by its exit status, as when its owner is killed."
  @spec watch(port) :: :ok
  def watch(port) do
    with {:os_pid, os_pid} when is_integer(os_pid) <- Port.info(port, :os_pid) do
      :ets.insert(__MODULE__, {port, os_pid})
      GenServer.cast(__MODULE__, {:watch, port})
    end

    :ok
  end

  @doc "Ends the port's process. To be called just before the port is closed."
  @spec finish(port) :: :ok
  def finish(port), do: GenServer.cast(__MODULE__, {:finish, port})

  @impl true
  def init(_) do
    # At the VM's end, what was told before it is done first.
    Process.flag(:trap_exit, true)
    for {port, _} <- :ets.tab2list(__MODULE__), do: Port.monitor(port)
    {:ok, nil}
  end

  @impl true
  def handle_cast({:watch, port}, state) do
    Port.monitor(port)
    {:noreply, state}
  end

  def handle_cast({:finish, port}, state) do
    reap(port)
    {:noreply, state}
  end

  @impl true
  def handle_info({:DOWN, _, :port, port, :normal}, state) do
    :ets.delete(__MODULE__, port)
    {:noreply, state}
  end

  # Its owner was killed, or a write failed. (Of one that was closed before it was watched nothing is known.)
  def handle_info({:DOWN, _, :port, port, _reason}, state) do
    reap(port)
    {:noreply, state}
  end

  # Of the shells.
  def handle_info(_, state), do: {:noreply, state}

  defp reap(port) do
    case :ets.take(__MODULE__, port) do
      [{_, os_pid}] ->
        arguments = ["-c", @script, "davit-reaper", Integer.to_string(os_pid)]
        Port.open({:spawn_executable, "/bin/sh"}, [:nouse_stdio, :hide, args: arguments])

      [] ->
        :ok
    end
  end
end
