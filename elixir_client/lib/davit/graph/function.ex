defmodule Davit.Graph.Function do
  @moduledoc """
  A function that a node of `Davit.Graph.Expression` calls: a branch, the body of a loop.

  `parameters` are those that the op hands it. Its results, and `effects`, which are kept although nothing uses them, may use
  expressions from around it: they become further parameters.
  """

  alias Davit.Graph.Expression

  @enforce_keys [:name, :parameters, :results]
  defstruct [:name, :parameters, :results, effects: []]

  @type t :: %__MODULE__{
          name: String.t(),
          parameters: [Expression.t()],
          results: [Expression.t()],
          effects: [Expression.t()]
        }
end
