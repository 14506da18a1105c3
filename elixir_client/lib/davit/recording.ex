defmodule Davit.Recording do
  @moduledoc """
  Records the values of hooks and probes in a file, so that they can be compared later: `davit diff good.rec bad.rec`.

      {:ok, recording} = Davit.Recording.start("good.rec", {:probe, "layer.*"})
      Davit.run(program, inputs)
      {:ok, events} = Davit.Recording.stop(recording)

  The engine writes the file, so no values are sent to this VM. Runs go no faster than its disk. All runs of the engine are
  recorded, with the replies of their callbacks. If the engine dies, everything that it had written can be read.
  `docs/record.md` describes the file.
  """

  alias Davit.EngineError
  alias Davit.Engine.{Lookup, Request, Session}
  alias Davit.Hooks.SubscriptionSpec

  @derive {Inspect, only: [:path]}
  @enforce_keys [:path, :session, :id]
  defstruct @enforce_keys

  @opaque t :: %__MODULE__{path: Path.t(), session: Session.t(), id: pos_integer}

  @doc """
  Starts a recording of all events that one of the matches selects. `Davit.Hooks.SubscriptionSpec` describes matches. An
  existing file is overwritten. Option: `:engine`.

  Returns `{:error, exception}` if the engine is not running or the file cannot be written. Raises `ArgumentError` if a
  match is invalid.
  """
  @spec start(Path.t(), SubscriptionSpec.match() | [SubscriptionSpec.match()], keyword) ::
          {:ok, t} | {:error, EngineError.t()}
  def start(path, matches \\ :all, options \\ []) do
    Davit.Options.check!(options, [:engine])
    matches = for match <- matches(matches), do: match |> SubscriptionSpec.to_wire([]) |> hd()
    path = Path.expand(path)

    with {:ok, session} <- Lookup.session_for(options),
         id = Session.next_id(session),
         {:ok, _, _} <- Request.call(session, ["record", id, path, matches]),
         do: {:ok, %__MODULE__{path: path, session: session, id: id}}
  end

  defp matches(matches) when is_list(matches), do: matches
  defp matches(match), do: [match]

  @doc """
  Ends a recording and returns the number of its events. The file is complete when the function returns. Returns an error if
  the engine was restarted in between, or if the disk was full.
  """
  @spec stop(t) :: {:ok, events :: non_neg_integer} | {:error, EngineError.t()}
  def stop(%__MODULE__{session: session, id: id}) do
    with {:ok, %{"events" => events}, _} <- Request.call(session, ["stop_recording", id]),
         do: {:ok, events}
  end
end
