defmodule Davit.Engine.Lookup do
  @moduledoc false
  # Finds the session of a running engine, or waits for it. While the processes of an engine are being restarted, callers
  # wait for the new ones, so they do not notice.

  alias Davit.{Deadline, EngineError}
  alias Davit.Engine.{Name, Part, Session}

  @default Davit.Engine

  @doc """
  Returns the session of an engine. The default engine is started if necessary. A start that is under way is waited for,
  for up to `timeout` milliseconds. Raises `Davit.EngineError`.
  """
  @spec session!(Name.t(), timeout) :: Session.t()
  def session!(name, timeout) do
    with nil <- name |> Name.key() |> running() do
      case wait(name, false, timeout) do
        {:ok, session} -> session
        {:error, error} -> raise error
      end
    end
  end

  @doc "As `session!/2`, for the engine that the option `:engine` of a public function names, or the default engine."
  @spec session_for!(keyword, timeout) :: Session.t()
  def session_for!(options, timeout \\ :infinity),
    do: session!(named(options), timeout)

  @doc "Returns the name that the option `:engine` has, or that of the default engine. Raises `ArgumentError`."
  @spec named(keyword) :: Name.t()
  def named(options) do
    Davit.Options.get!(options, :engine, nil, Name.expected(), &(&1 == nil or Name.valid?(&1))) ||
      @default
  end

  @doc "As `session_for!/2`, but returns the error."
  @spec session_for(keyword) :: {:ok, Session.t()} | {:error, EngineError.t()}
  def session_for(options) do
    {:ok, session_for!(options)}
  rescue
    error in EngineError -> {:error, error}
  end

  # A session is valid until its owner withdraws it, and no longer than its owner lives.
  defp running(engine) do
    case :ets.lookup(engine, :session) do
      [{_, session}] -> if Session.up?(session) and Process.alive?(session.owner), do: session
      _ -> nil
    end
  rescue
    ArgumentError -> nil
  end

  @doc "Waits for the engine's session. If `patient`, it waits through failed starts too."
  @spec wait(Name.t(), boolean, timeout) :: {:ok, Session.t()} | {:error, EngineError.t()}
  def wait(name, patient, timeout) do
    with {:ok, engine} <- find(name),
         do: ask(engine, &{:await, patient, &1}, timeout, Deadline.new(timeout))
  end

  # The key of an engine; the default engine is started.
  defp find(name) do
    engine = Name.valid?(name) && Name.key(name)

    cond do
      engine && engine?(engine) -> {:ok, engine}
      name == @default -> with :ok <- start_default(), do: {:ok, name}
      true -> {:error, error(not_started(name))}
    end
  end

  defp not_started(name) do
    case Name.valid?(name) && GenServer.whereis(if is_atom(name), do: Name.of(name), else: name) do
      pid when is_pid(pid) and node(pid) != node() ->
        "the engine #{inspect(name)} is on node #{node(pid)}; an engine is used from its own node"

      _ ->
        name = if is_atom(name), do: Name.show(name), else: inspect(name)
        "no engine is named #{name}; start {Davit.Engine, name: #{name}}"
    end
  end

  @doc "Returns the owner's status, or nil if there is no such engine."
  @spec status(Name.t()) :: {:starting | :up | :down, pos_integer, EngineError.t() | nil} | nil
  def status(name) do
    answer = name |> Name.key() |> ask(fn _ -> :status end, 5_000, Deadline.new(5_000))
    with {:error, _} <- answer, do: nil
  end

  defp ask(engine, what, timeout, deadline) do
    left = Deadline.left(deadline)
    Part.call(engine, :owner, what.(left), left)
  catch
    :exit, {:timeout, _} -> {:error, late(engine, timeout)}
    :exit, _ -> ask_next(engine, what, timeout, deadline)
  end

  # The owner has died: another one is started, unless the engine was stopped.
  defp ask_next(engine, what, timeout, deadline) do
    cond do
      not engine?(engine) ->
        {:error, error("engine #{Name.show(engine)} was stopped")}

      Deadline.left(deadline) == 0 ->
        {:error, late(engine, timeout)}

      true ->
        restarted(Part.name(engine, :core))
        ask(engine, what, timeout, deadline)
    end
  end

  @doc """
  Waits until the engine's supervisor has restarted a child that died. Returns false if the engine was stopped.
  """
  @spec restarted?(atom) :: boolean
  def restarted?(engine), do: engine?(engine) and restarted(engine) == :ok

  # A supervisor that answers has restarted its children, as far as it knows of their ends.
  defp restarted(supervisor) do
    Supervisor.count_children(supervisor)
    # It may not know yet that one of its children died.
    receive(after: (1 -> :ok))
  catch
    :exit, _ -> receive(after: (1 -> :ok))
  end

  # An engine's supervisor has the engine's name, and owns the table of that name.
  defp engine?(engine) do
    supervisor = Process.whereis(engine)
    supervisor != nil and :ets.info(engine, :owner) == supervisor
  end

  defp start_default do
    options = Application.get_env(:davit, :engine, [])
    child = Davit.Engine.child_spec(Keyword.put(options, :name, @default))

    case Supervisor.start_child(Davit.Supervisor, child) do
      {:ok, _} -> :ok
      {:error, {:already_started, _}} -> :ok
      # Another process is stopping it. It can be started when the old child is deleted.
      {:error, :already_present} -> delete_default()
      {:error, reason} -> {:error, error(inspect(reason))}
    end
  catch
    :exit, {:noproc, _} -> {:error, error("the application :davit is not started")}
  end

  defp delete_default do
    _ = Supervisor.delete_child(Davit.Supervisor, @default)
    start_default()
  end

  defp late(engine, timeout) do
    message = "engine #{Name.show(engine)} is not up after #{timeout} ms"
    %EngineError{code: :timeout, message: message}
  end

  defp error(message), do: %EngineError{code: :engine_down, message: message}
end
