defmodule Davit.Engine.Part do
  @moduledoc false
  # Starts the named processes of an engine. Where a supervisor was killed, its processes end after it, and keep their names
  # until then: those that take their places wait.

  @longest 5_000

  @doc "As `GenServer.start_link/3`, under a name that another process may be about to give up."
  @spec start_link(module, term, atom) :: GenServer.on_start()
  def start_link(module, argument, name),
    do: named(fn -> GenServer.start_link(module, argument, name: name) end)

  @doc "As `module.start_link`, for a supervisor with a name."
  @spec supervisor(module, list) :: Supervisor.on_start()
  def supervisor(module, arguments), do: named(fn -> apply(module, :start_link, arguments) end)

  @doc "Starts a process by `start`; again, when the process that has its name is gone."
  @spec named((() -> GenServer.on_start())) :: GenServer.on_start()
  def named(start) do
    with {:error, {:already_started, pid}} = error <- start.() do
      ref = Process.monitor(pid)

      receive do
        {:DOWN, ^ref, _, _, _} -> named(start)
      after
        @longest ->
          Process.demonitor(ref, [:flush])
          error
      end
    end
  end
end
