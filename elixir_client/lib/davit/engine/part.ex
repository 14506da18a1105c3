defmodule Davit.Engine.Part do
  @moduledoc false
  # The named processes of an engine, and the table `recorded`: their names, and how processes are started and called. When a
  # supervisor is killed, its processes end after it and keep their names until then, so the processes that replace them wait for
  # the names.

  @name_timeout 5_000

  @type part ::
          :core
          | :owner
          | :writer
          | :recorded
          | :loader
          | :bulk
          | :collector
          | :nursery
          | :tenured
          | :reclaimer
          | :feeds
          | :reporter

  @doc "Returns the name of one of the engine's processes, or of its table."
  @spec name(atom, part) :: atom
  def name(engine, part), do: :"#{inspect(engine)}.#{part}"

  @doc "Returns the pid of one of the engine's processes, or nil while it does not run."
  @spec whereis(atom, part) :: pid | nil
  def whereis(engine, part), do: Process.whereis(name(engine, part))

  @doc "As `GenServer.call/3`, for one of the engine's processes."
  @spec call(atom, part, term, timeout) :: term
  def call(engine, part, request, timeout \\ :infinity),
    do: GenServer.call(name(engine, part), request, timeout)

  @doc "As `GenServer.cast/2`, for one of the engine's processes."
  @spec cast(atom, part, term) :: :ok
  def cast(engine, part, request), do: GenServer.cast(name(engine, part), request)

  @doc "As `GenServer.start_link/3`. If another process still has the name, it waits until that process has ended."
  @spec start_link(module, term, atom) :: GenServer.on_start()
  def start_link(module, argument, name),
    do: named(fn -> GenServer.start_link(module, argument, name: name) end)

  @doc "As `start_link/3`, for a supervisor. `arguments` are the arguments of `module.start_link`, and contain the name."
  @spec supervisor(module, list) :: Supervisor.on_start()
  def supervisor(module, arguments), do: named(fn -> apply(module, :start_link, arguments) end)

  defp named(start) do
    with {:error, {:already_started, pid}} = error <- start.() do
      ref = Process.monitor(pid)

      receive do
        {:DOWN, ^ref, _, _, _} -> named(start)
      after
        @name_timeout ->
          Process.demonitor(ref, [:flush])
          error
      end
    end
  end
end
