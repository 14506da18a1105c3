defmodule Davit.Graph.Value do
  @moduledoc """
  A value of a graph under construction. `type` is nil where only the engine will know it.
  """

  @enforce_keys [:scope, :key]
  defstruct [:scope, :key, :type]

  @type t :: %__MODULE__{
          scope: reference,
          key: {:parameter, non_neg_integer} | {:node, non_neg_integer, non_neg_integer},
          type: Davit.Type.t() | nil
        }

  defimpl Inspect do
    def inspect(%{type: nil}, _), do: "#Davit.Graph.Value<type not known here>"
    def inspect(%{type: type}, _), do: "#Davit.Graph.Value<#{Davit.Type.format(type)}>"
  end
end
