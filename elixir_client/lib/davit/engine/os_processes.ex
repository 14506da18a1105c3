defmodule Davit.Engine.OsProcesses do
  @moduledoc false
  # Ends the operating system processes of ports that are closed. An engine ends by itself when its port is closed, but an
  # engine that hangs or was stopped by a signal does not, nor do some other programs. This process lives as long as the
  # application, so no process is left behind by an engine whose Erlang processes were killed.

  use GenServer

  # How long a process has to end by itself before a shell is started for it, in milliseconds. Engines do within this time, so a VM that
  # halts just after an engine was stopped is not starting a shell then: `erl_child_setup` would print that it failed.
  @own_end 100

  # The process has a second more to end by itself and two after SIGTERM, before it gets SIGKILL, which ends a stopped process
  # too. A shell does this, so it is also done when the VM halts meanwhile. The port's own shell ends at once, and so says that it has started.
  @script """
  exec >/dev/null 2>&1
  {
    sleep 1
    kill -TERM "$1" || exit 0
    for second in 1 2; do
      sleep 1
      kill -0 "$1" || exit 0
    done
    kill -KILL "$1"
  } &
  """

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc """
  Creates the table. It belongs to the application, and outlives this process. Rows are `{port, os_pid}` of monitored ports, and
  `{{:ending, os_pid}, os_pid}` of processes that have yet to end by themselves.
  """
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
    for {key, _} <- :ets.tab2list(__MODULE__), do: watch(key)
    {:ok, nil}
  end

  defp watch({:ending, _} = key), do: Process.send_after(self(), key, @own_end)
  defp watch(port), do: Port.monitor(port)

  @impl true
  def handle_cast({:monitor, port}, state) do
    watch(port)
    {:noreply, state}
  end

  def handle_cast({:end_process, port}, state) do
    await_end(port)
    {:noreply, state}
  end

  @impl true
  def handle_info({:DOWN, _, :port, port, :normal}, state) do
    :ets.delete(__MODULE__, port)
    {:noreply, state}
  end

  # Its owner was killed, a write failed, or the port was closed before it was monitored.
  def handle_info({:DOWN, _, :port, port, _reason}, state) do
    await_end(port)
    {:noreply, state}
  end

  def handle_info({:ending, _} = key, state) do
    start_shell(key)
    {:noreply, state}
  end

  # Messages of the shells' ports.
  def handle_info(_, state), do: {:noreply, state}

  # The application stops, and the VM may halt next: shells have to have started by then.
  @impl true
  def terminate(_reason, _state) do
    shells = for {{:ending, _} = key, _} <- :ets.tab2list(__MODULE__), do: start_shell(key)

    for shell when is_port(shell) <- shells do
      receive do
        {^shell, {:exit_status, _}} -> :ok
      after
        1_000 -> :ok
      end
    end
  end

  defp await_end(port) do
    for {_, os_pid} <- :ets.take(__MODULE__, port) do
      key = {:ending, os_pid}
      :ets.insert(__MODULE__, {key, os_pid})
      watch(key)
    end
  end

  # Starts the shell that ends a process, where it has not ended.
  defp start_shell(key) do
    with [{_, os_pid}] <- :ets.take(__MODULE__, key), true <- lives?(os_pid) do
      arguments = ["-c", @script, "davit-end-process", Integer.to_string(os_pid)]
      options = [:nouse_stdio, :exit_status, :hide, args: arguments]
      Port.open({:spawn_executable, "/bin/sh"}, options)
    end
  end

  # Elsewhere than on Linux only another process could tell; the shell does.
  defp lives?(os_pid), do: not File.dir?("/proc/self") or File.dir?("/proc/#{os_pid}")
end
