defmodule Davit.Tensor.Ref do
  @moduledoc false
  # The reference to a tensor in an engine. `Davit.Collector` counts the references to its token, so the token must not be
  # taken out of it.

  alias Davit.Collector

  @derive {Inspect, except: [:token]}
  @enforce_keys [:id, :token, :engine, :instance, :node]
  defstruct [:id, :token, :engine, :instance, :node]

  @type t :: %__MODULE__{
          id: pos_integer,
          token: binary,
          engine: atom,
          instance: pos_integer,
          node: node
        }

  @doc false
  # Returns whether the tensor is in the engine of this session.
  @spec in?(t, Davit.Engine.Session.t()) :: boolean
  def in?(%__MODULE__{} = ref, session) do
    ref.instance == session.instance and ref.engine == session.name and ref.node == node()
  end

  @doc false
  @spec new(Davit.Engine.Session.t(), non_neg_integer) :: t
  def new(session, bytes) do
    {id, token} = Collector.mint(session, :tensor, bytes)
    new(id, token, session)
  end

  @doc false
  # Returns a reference that the collector does not know yet, and what it is to get: see `Davit.Collector.mint_later/3`.
  @spec new_later(Davit.Engine.Session.t(), non_neg_integer) :: {t, Collector.minted()}
  def new_later(session, bytes) do
    {{_, id, _, _}, token} = minted = Collector.mint_later(session, :tensor, bytes)
    {new(id, token, session), minted}
  end

  defp new(id, token, session) do
    %__MODULE__{
      id: id,
      token: token,
      engine: session.name,
      instance: session.instance,
      node: node()
    }
  end
end
