defmodule Davit.Engine.Lookup do
  @moduledoc false
  # Finds the session of a running engine, and waits for one. Nobody sees that an engine's processes were started again:
  # whoever comes meanwhile waits for the next of them.

  alias Davit.{Deadline, EngineError}
  alias Davit.Engine.{Part, Session}

  @default Davit.Engine

  @doc """
  The session of the engine's process, started if it is the default engine. It waits for a start that is under way for up to
  `timeout` milliseconds. Raises `Davit.EngineError`.
  """
  @spec session!(atom, timeout) :: Session.t()
  def session!(engine, timeout) do
    with nil <- running(engine) do
      case wait(engine, false, timeout) do
        {:ok, session} -> session
        {:error, error} -> raise error
      end
    end
  end

  @doc "As `session!/2`, for the engine that the option `:engine` of a public function names; the default engine without it."
  @spec session_for!(keyword, timeout) :: Session.t()
  def session_for!(options, timeout \\ :infinity),
    do: session!(options[:engine] || @default, timeout)

  @doc "As `session_for!/2`, with the error returned."
  @spec session_for(keyword) :: {:ok, Session.t()} | {:error, EngineError.t()}
  def session_for(options) do
    {:ok, session_for!(options)}
  rescue
    error in EngineError -> {:error, error}
  end

  # A session is that of a running engine until its owner says otherwise, and no longer than its owner lives.
  defp running(engine) do
    case :ets.lookup(engine, :session) do
      [{_, session}] -> if Session.up?(session) and Process.alive?(session.owner), do: session
      _ -> nil
    end
  rescue
    ArgumentError -> nil
  end

  @doc "Waits for the engine's session: where `patient`, through failed starts too."
  @spec wait(atom, boolean, timeout) :: {:ok, Session.t()} | {:error, EngineError.t()}
  def wait(engine, patient, timeout) do
    if not engine?(engine), do: start_default(engine)
    ask(engine, &{:await, patient, &1}, timeout, Deadline.new(timeout))
  end

  @doc "The owner's `status`; nil where there is no such engine."
  @spec status(atom) :: {:starting | :up | :down, pos_integer, EngineError.t() | nil} | nil
  def status(engine) do
    answer = ask(engine, fn _ -> :status end, 5_000, Deadline.new(5_000))
    with {:error, _} <- answer, do: nil
  end

  defp ask(engine, what, timeout, deadline) do
    left = Deadline.left(deadline)
    Part.call(engine, :owner, what.(left), left)
  catch
    :exit, {:timeout, _} -> {:error, late(engine, timeout)}
    :exit, _ -> ask_next(engine, what, timeout, deadline)
  end

  # The owner died, or did before.
  defp ask_next(engine, what, timeout, deadline) do
    cond do
      not engine?(engine) ->
        {:error, error("engine #{inspect(engine)} was stopped")}

      Deadline.left(deadline) == 0 ->
        {:error, late(engine, timeout)}

      true ->
        restarted(Part.name(engine, :core))
        ask(engine, what, timeout, deadline)
    end
  end

  @doc """
  Waits until one of the engine's processes that died is started again, by the engine's supervisor itself. Returns false where
  the engine was stopped.
  """
  @spec restarted?(atom) :: boolean
  def restarted?(engine), do: engine?(engine) and restarted(engine) == :ok

  # A supervisor has started its child again when it answers.
  defp restarted(supervisor) do
    Supervisor.count_children(supervisor)
    # Should it not know yet that one of its children died.
    receive(after: (1 -> :ok))
  catch
    :exit, _ -> receive(after: (1 -> :ok))
  end

  # Its supervisor has the name, and the table of that name.
  defp engine?(engine) do
    supervisor = Process.whereis(engine)
    supervisor != nil and :ets.info(engine, :owner) == supervisor
  end

  defp start_default(@default) do
    options = Application.get_env(:davit, :engine, [])
    child = Davit.Engine.child_spec(Keyword.put(options, :name, @default))

    case Supervisor.start_child(Davit.Supervisor, child) do
      {:ok, _} -> :ok
      {:error, {:already_started, _}} -> :ok
      # Somebody is stopping it: it is deleted next, and then it can be started.
      {:error, :already_present} -> delete_default()
      {:error, reason} -> raise error(inspect(reason))
    end
  catch
    :exit, {:noproc, _} -> raise error("the application :davit is not started")
  end

  defp start_default(engine) do
    name = inspect(engine)
    raise error("no engine is named #{name}; start {Davit.Engine, name: #{name}}")
  end

  defp delete_default do
    _ = Supervisor.delete_child(Davit.Supervisor, @default)
    start_default(@default)
  end

  defp late(engine, timeout) do
    message = "engine #{inspect(engine)} is not up after #{timeout} ms"
    %EngineError{code: :timeout, message: message}
  end

  defp error(message), do: %EngineError{code: :engine_down, message: message}
end
