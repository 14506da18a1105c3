defmodule Davit.Generator.Snapshot do
  @moduledoc """
  The beginning of prompts, computed once and kept in the engine: see `Davit.Generator.snapshot/3`.

    * `model`: the model;
    * `tokens`: how many tokens it has.

  It is freed once no term refers to it. It outlives its engine: where that was restarted, it is computed again when it is used.
  """

  alias Davit.Engine.{Request, Session}
  alias Davit.Tensor

  @derive {Inspect, only: [:model, :tokens]}
  @enforce_keys [:id, :token, :model, :prompt]
  defstruct [:id, :token, :model, :prompt, :tokens]

  @type t :: %__MODULE__{
          id: pos_integer,
          token: binary,
          model: Davit.Model.t(),
          prompt: term,
          tokens: pos_integer
        }

  @doc false
  # Has the engine compute it. The token has to be alive until the engine has the request.
  @spec make(t, Session.t(), timeout) :: {:ok, t} | {:error, Davit.EngineError.t()}
  def make(%__MODULE__{} = snapshot, session, timeout) do
    message = ["snapshot", snapshot.id, snapshot.model.id, snapshot.prompt]
    answer = Request.call(session, message, [], timeout)
    Tensor.touch(snapshot)
    with {:ok, %{"tokens" => tokens}, _} <- answer, do: {:ok, %{snapshot | tokens: tokens}}
  end

  @doc false
  @spec unload(Session.t(), pos_integer) :: :ok
  def unload(session, id), do: Session.notify(session, 0, ["close_snapshot", id])
end
