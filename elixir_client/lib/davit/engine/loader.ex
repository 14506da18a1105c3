defmodule Davit.Engine.Loader do
  @moduledoc false
  # Loads programs again after an engine was restarted. When many processes need the same program at once, the program and its
  # constants, which may be large, are sent once.

  use GenServer

  alias Davit.{EngineError, Frame, Msgpack, Program, Tensor}
  alias Davit.Engine.{Part, Request, Session}

  def start_link(name),
    do: Part.start_link(__MODULE__, nil, Part.name(name, :loader))

  @doc """
  Makes sure that the program is loaded in the session, under its id. The request is in the port before anything that the
  caller sends afterwards. Its answer is not waited for: if it is an error, so is the answer to the run.
  """
  @spec load(Program.t(), Session.t(), timeout) :: :ok | {:error, EngineError.t()}
  def load(%Program{} = program, session, timeout \\ :infinity) do
    if loaded?(program, session) do
      :ok
    else
      Part.call(session.name, :loader, {:load, program, session}, timeout)
    end
  catch
    :exit, {:timeout, _} ->
      {:error, Request.timeout(timeout, "the program's `load`")}

    :exit, _ ->
      Session.ended(session)
      {:error, Session.lost(session)}
  end

  @doc "Removes the record that the program `id` was loaded."
  @spec forget(atom, pos_integer) :: true
  def forget(engine, id), do: :ets.delete(engine, {:loaded, id})

  defp loaded?(%Program{id: id}, %{name: name, instance: instance}) do
    :ets.lookup(name, {:loaded, id}) == [{{:loaded, id}, instance}]
  rescue
    # The table is gone with the engine.
    ArgumentError -> false
  end

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  # Messages that are not for this process.
  def handle_info(_, state), do: {:noreply, state}

  @impl true
  def handle_call({:load, program, session}, _from, state) do
    answer = if loaded?(program, session), do: :ok, else: send_program(program, session)
    # The program's token must not stay as garbage: the collector counts it as a reference.
    {:reply, answer, state, :hibernate}
  end

  defp send_program(%Program{id: id} = program, session) do
    {message, bound} = Program.message(id, program.bindings, session)
    frame = Frame.encode(Session.next_id(session), Msgpack.encode(message), [program.graph])
    answer = Session.send_frame(session, frame)
    Tensor.touch({bound, program})
    if answer == :ok, do: :ets.insert(session.name, {{:loaded, id}, session.instance})
    answer
  rescue
    error in EngineError -> {:error, error}
  end
end
