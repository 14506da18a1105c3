defmodule Davit.Engine do
  @moduledoc """
  An engine: the operating system process that runs programs, and the processes of this VM that communicate with it.

  Without any configuration, the first `Davit.load/2` or `Davit.Tensor.from_binary/3` starts the default engine, named
  `Davit.Engine`, under the application's supervisor. Its options come from `config :davit, :engine, [...]`. Any number
  of other engines can be started in a supervision tree:

      children = [{Davit.Engine, name: MyApp.Engine, command: ["davit", "port"]}]

  Such an engine is used by its name: `Davit.load(graph, engine: MyApp.Engine)`.

  Options:

    * `:name`: an atom, `{:global, term}` or `{:via, module, term}`, as for a `GenServer`; default `Davit.Engine`. An engine
      is used from its own node only. Each distinct name takes some atoms and memory that the VM does not give back;
    * `:command`: see `Davit.Engine.Command`;
    * `:env`: a list of `{name, value}` for the engine's environment; `:cd`: its folder;
    * `:limits`: a map of limits that the session asks for, such as `%{hook_credit: 1_048_576}`;
    * `:max_queue`: how many hook events may be in a subscriber's mailbox before the engine holds further events back,
      default 1,000;
    * `:start_timeout`: how many milliseconds the command may take until it is ready, default 30,000.

  When the engine exits, each call under way fails with a `Davit.EngineError`, the reason is logged, and the engine is
  started again: at once, then after 100 ms, and later at most every 30 s as long as it does not answer anything. It is
  tried without end, and its supervisor is not affected. While the engine starts, calls wait, no longer than their
  `:timeout`. Between two failed starts they raise `:engine_down` at once; `await/2` waits.

  When an engine is stopped or restarted, its port is closed. If its process still runs one second later it gets SIGTERM,
  and SIGKILL after two more seconds.

  Programs can be used with the next engine of the same name, even if the engine was stopped and started. A tensor whose
  values were in an engine that ended cannot be used, and using it raises an error that says so. Subscriptions last until
  the engine is stopped.
  """

  use Supervisor

  alias Davit.{EngineError, Options}
  alias Davit.Engine.{Bulk, Loader, Lookup, Name, Owner, Part, Reporter, Routes, Session, Writer}

  @default __MODULE__
  @deaths_kept 64
  # Processes that are killed are restarted this often. Failures of the engine itself have their own back-off.
  @restarts [max_restarts: 100, max_seconds: 5]

  @doc "Starts an engine. See the module's documentation for the options."
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(options \\ []) do
    Options.check!(options, [:name, :command, :env, :cd, :limits, :max_queue, :start_timeout])
    name = Options.get!(options, :name, @default, Name.expected(), &Name.valid?/1)
    words? = &(is_binary(&1) or (is_list(&1) and &1 != []))
    Options.get!(options, :command, nil, "a string or a list of words", &(&1 == nil or words?.(&1)))
    Options.get!(options, :env, [], "a list of {name, value}", &env?/1)
    Options.get!(options, :cd, nil, "a folder", &(&1 == nil or is_binary(&1)))
    Options.get!(options, :limits, %{}, "a map of positive numbers", &limits?/1)
    Options.get!(options, :max_queue, 1000, "a positive number", &positive?/1)
    Options.get!(options, :start_timeout, 30_000, "a number of milliseconds", &positive?/1)
    key = Name.make_key(name)
    check_key!(key)
    Supervisor.start_link(__MODULE__, {key, Keyword.put(options, :name, name)}, name: name)
  end

  defp positive?(value), do: is_integer(value) and value > 0

  # It is the name of the engine's table.
  defp check_key!(name) do
    if Process.whereis(name) == nil and :ets.whereis(name) != :undefined do
      raise ArgumentError,
            "expected :name to be one that no ETS table has, got #{inspect(name)}, which is a table " <>
              "of #{inspect(:ets.info(name, :owner))}"
    end
  end

  defp env?(env), do: is_list(env) and Enum.all?(env, &variable?/1)
  defp variable?({name, value}), do: text?(name) and (value == nil or text?(value))
  defp variable?(_), do: false
  defp text?(text), do: is_binary(text) or is_atom(text) or (is_list(text) and text != [])

  defp limits?(limits) do
    is_map(limits) and
      Enum.all?(limits, fn {_, limit} -> positive?(limit) end)
  end

  @doc false
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(options) do
    name = Keyword.get(options, :name, @default)
    %{id: name, start: {__MODULE__, :start_link, [options]}, type: :supervisor}
  end

  @impl true
  def init({name, options}) do
    # An engine that is registered elsewhere is also registered locally, by its key.
    if name != options[:name], do: Process.register(self(), name)
    # This supervisor owns the tables, so they outlive each of the engine's processes.
    :ets.new(name, [:named_table, :public, read_concurrency: true])

    session = Session.new(name, Routes.new())
    :ets.insert(name, {:options, options})

    # These processes depend on each other's state, so they are restarted together, with a new engine.
    core = [
      {Writer, name},
      {Davit.Collector, session},
      {Bulk, name},
      {Loader, name},
      {Owner, {options, session}}
    ]

    core = [core, [strategy: :one_for_all, name: Part.name(name, :core)] ++ @restarts]
    feeds = [name: Part.name(name, :feeds), strategy: :one_for_one]

    # Subscriptions survive a restart of the core.
    children = [
      {Reporter, name},
      %{
        id: :feeds,
        type: :supervisor,
        start: {Part, :supervisor, [DynamicSupervisor, [feeds]]}
      },
      %{id: :core, type: :supervisor, start: {Part, :supervisor, [Supervisor, core]}}
    ]

    Supervisor.init(children, [strategy: :one_for_one] ++ @restarts)
  end

  @typedoc "The name of an engine."
  @type name :: atom | {:global, term} | {:via, module, term}

  @doc false
  # Returns the session of a running engine. See `Davit.Engine.Lookup.session!/2`.
  @spec session!(name, timeout) :: Session.t()
  def session!(engine \\ @default, timeout \\ :infinity), do: Lookup.session!(engine, timeout)

  @doc """
  Waits until the engine runs, through failed starts too.

  Returns `{:error, exception}` if that takes longer than `timeout` milliseconds, or if no engine has this name.
  """
  @spec await(name, timeout) :: :ok | {:error, EngineError.t()}
  def await(engine \\ @default, timeout \\ 60_000) do
    with {:ok, _} <- Lookup.wait(engine, true, timeout), do: :ok
  end

  @doc "Returns `:up`, `:starting` or `{:down, exception}`, or `:stopped` if no engine has this name."
  @spec status(name) :: :up | :starting | {:down, EngineError.t()} | :stopped
  def status(engine \\ @default) do
    case Lookup.status(engine) do
      {:down, _, error} -> {:down, error}
      {status, _, _} -> status
      nil -> :stopped
    end
  end

  @doc "Returns information about the engine: memory, counters, programs and tensors."
  @spec info(name) :: map
  def info(engine \\ @default) do
    case Davit.Engine.Request.call(session!(engine), ["info"]) do
      {:ok, info, _} -> info
      {:error, error} -> raise error
    end
  end

  @doc """
  Collects the garbage of the processes that hold tensors, and frees the tensors that were dropped. This happens
  automatically when an allocation fails.
  """
  @spec reclaim(name) :: :ok
  def reclaim(engine \\ @default), do: Davit.Collector.reclaim(session!(engine))

  @doc """
  Stops an engine that was started by name or on demand. Calls under way fail, and subscriptions end. If the engine is not
  running, nothing happens. An engine that is the child of another supervisor is restarted by it: stop that child instead.
  """
  @spec stop(name) :: :ok
  def stop(engine \\ @default) do
    case Supervisor.terminate_child(Davit.Supervisor, engine) do
      :ok -> Supervisor.delete_child(Davit.Supervisor, engine)
      {:error, :not_found} -> engine |> Name.key() |> Supervisor.stop()
    end

    :ok
  catch
    # The engine was not running, or another process stopped it.
    :exit, _ -> :ok
  end

  @doc false
  @spec option(atom, atom, term) :: term
  def option(name, key, default) do
    [{_, options}] = :ets.lookup(name, :options)
    Keyword.get(options, key, default)
  end

  @doc false
  @spec record_death(atom, pos_integer, String.t()) :: true
  def record_death(name, instance, death) do
    :ets.insert(name, {{:death, instance}, death})
    :ets.delete(name, {:death, instance - @deaths_kept})
  end

  @doc false
  # Returns how an engine ended: "exited with signal 9 at …".
  @spec death(atom, pos_integer) :: String.t()
  def death(name, instance) do
    case :ets.lookup(name, {:death, instance}) do
      [{_, death}] -> death
      [] -> "is gone"
    end
  rescue
    ArgumentError -> "was stopped"
  end
end
