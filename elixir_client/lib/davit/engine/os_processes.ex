defmodule Davit.Engine.OsProcesses do
  @moduledoc false
  # Ends the operating system processes of ports that are closed. An engine ends by itself when its port is closed, but an
  # engine that hangs or was stopped by a signal does not, nor do some other programs. This process lives as long as the
  # application, so no process is left behind by an engine whose Erlang processes were killed.

  use GenServer

  # The process has a second to end by itself and two after SIGTERM, before it gets SIGKILL, which ends a stopped process
  # too. A shell does this, so it is also done when the VM halts meanwhile.
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

  @doc "Creates the table of monitored ports. It belongs to the application, and outlives this process."
  @spec create_table() :: atom
  def create_table, do: :ets.new(__MODULE__, [:named_table, :public])

  @doc "Monitors a port. Its process is ended if the port closes without an exit status, for example because its owner is killed."
  @spec monitor(port) :: :ok
  def monitor(port) do
    with {:os_pid, os_pid} when is_integer(os_pid) <- Port.info(port, :os_pid) do
      :ets.insert(__MODULE__, {port, os_pid})
      GenServer.cast(__MODULE__, {:monitor, port})
    end

    :ok
  end

  @doc "Ends the port's process. It has to be called just before the port is closed."
  @spec end_process(port) :: :ok
  def end_process(port), do: GenServer.cast(__MODULE__, {:end_process, port})

  @impl true
  def init(_) do
    # When the VM shuts down, the casts that came before are handled first.
    Process.flag(:trap_exit, true)
    for {port, _} <- :ets.tab2list(__MODULE__), do: Port.monitor(port)
    {:ok, nil}
  end

  @impl true
  def handle_cast({:monitor, port}, state) do
    Port.monitor(port)
    {:noreply, state}
  end

  def handle_cast({:end_process, port}, state) do
    run_script(port)
    {:noreply, state}
  end

  @impl true
  def handle_info({:DOWN, _, :port, port, :normal}, state) do
    :ets.delete(__MODULE__, port)
    {:noreply, state}
  end

  # Its owner was killed, a write failed, or the port was closed before it was monitored.
  def handle_info({:DOWN, _, :port, port, _reason}, state) do
    run_script(port)
    {:noreply, state}
  end

  # Messages of the shells' ports.
  def handle_info(_, state), do: {:noreply, state}

  defp run_script(port) do
    case :ets.take(__MODULE__, port) do
      [{_, os_pid}] ->
        arguments = ["-c", @script, "davit-end-process", Integer.to_string(os_pid)]
        Port.open({:spawn_executable, "/bin/sh"}, [:nouse_stdio, :hide, args: arguments])

      [] ->
        :ok
    end
  end
end
