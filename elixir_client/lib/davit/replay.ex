defmodule Davit.Replay do
  @moduledoc """
  Answers the callbacks of runs (`Davit.Graph.callback/4`) with the replies of a recording (`Davit.Recording`), in place of handlers.

      {:ok, replay} = Davit.Replay.open("good.rec")
      Davit.run(program, inputs, replay: replay)
      {:ok, answered} = Davit.Replay.close(replay)

  The first run with a callback gets the replies of the first recorded run with one, and so on. Within a run, a reply is
  found by label or name, and by loop path. A callback that was not recorded fails its run with `:replay_missing`, a reply of
  another type with `:reply_invalid`. The engine reads the file and answers, so nothing is sent to this VM. See
  `docs/record.md`.
  """

  alias Davit.EngineError
  alias Davit.Engine.{Lookup, Name, Request, Session}

  @derive {Inspect, only: [:path]}
  @enforce_keys [:path, :session, :id]
  defstruct @enforce_keys

  @opaque t :: %__MODULE__{path: Path.t(), session: Session.t(), id: pos_integer}

  @doc "Opens a recording for runs of the engine that the option `:engine` names. Returns `{:error, exception}` if it cannot be read."
  @spec open(Path.t(), keyword) :: {:ok, t} | {:error, EngineError.t()}
  def open(path, options \\ []) do
    Davit.Options.check!(options, [:engine])
    path = Path.expand(path)

    with {:ok, session} <- Lookup.session_for(options),
         id = Session.next_id(session),
         {:ok, _, _} <- Request.call(session, ["replay", id, path]),
         do: {:ok, %__MODULE__{path: path, session: session, id: id}}
  end

  @doc """
  Ends a replay and returns the number of callbacks that it answered. Runs under way fail at their next callback. Returns an error if
  the engine was restarted in between.
  """
  @spec close(t) :: {:ok, answered :: non_neg_integer} | {:error, EngineError.t()}
  def close(%__MODULE__{session: session, id: id}) do
    with {:ok, %{"answered" => answered}, _} <- Request.call(session, ["stop_replay", id]),
         do: {:ok, answered}
  end

  @doc false
  # Returns the replay's number, for a run of this session. Raises `Davit.EngineError` if it was opened in another session.
  @spec id!(t, Session.t()) :: pos_integer
  def id!(%__MODULE__{session: %{name: name, instance: instance}, id: id}, session)
      when session.name == name and session.instance == instance,
      do: id

  def id!(%__MODULE__{path: path, session: %{name: name, instance: instance}}, session) do
    raise %EngineError{
      code: :recording_unknown,
      message:
        "the replay of #{path} was opened in engine #{instance} of #{Name.show(name)}; the run is " <>
          "in engine #{session.instance} of #{Name.show(session.name)}: open it there"
    }
  end
end
