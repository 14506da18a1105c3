defmodule Davit.Replay do
  @moduledoc """
  Answers the `call` nodes of runs with the replies of a recording (`Davit.Recording`), in place of handlers.

      {:ok, replay} = Davit.Replay.open("good.rec")
      Davit.run(program, inputs, replay: replay)
      {:ok, answered} = Davit.Replay.close(replay)

  The first of these runs that calls gets the replies of the first recorded run that called, and so on. In a run a
  reply is found by label or name and loop path; a call that was not recorded ends its run with `:replay_missing`,
  one of other types with `:reply_mismatch`. The engine reads the file and answers by itself, so nothing of the calls
  travels to this VM. See `docs/record.md`.
  """

  alias Davit.EngineError
  alias Davit.Engine.{Lookup, Name, Request, Session}

  @derive {Inspect, only: [:path]}
  @enforce_keys [:path, :session, :id]
  defstruct @enforce_keys

  @opaque t :: %__MODULE__{path: Path.t(), session: Session.t(), id: pos_integer}

  @doc "Reads a recording. Option: `:engine`, whose runs it is for. Gives `{:error, exception}` where it cannot be read."
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
  Ends a replay; gives the number of calls that it answered. Runs under way that call after this fail. An error where
  the engine was started again in between.
  """
  @spec close(t) :: {:ok, answered :: non_neg_integer} | {:error, EngineError.t()}
  def close(%__MODULE__{session: session, id: id}) do
    with {:ok, %{"answered" => answered}, _} <- Request.call(session, ["stop_replay", id]),
         do: {:ok, answered}
  end

  @doc false
  # The replay's number, for a run of this session. Raises `Davit.EngineError` where it is another's.
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
