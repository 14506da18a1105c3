if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Arguments do
    @moduledoc false
    # Arguments of an operation, as a callback of Nx.Backend gets them: tensors, lists of tensors, options, and other terms.
    # Options hold no tensors.

    alias Nx.Tensor, as: T

    @doc "The arguments with the result of `fun` in place of each tensor."
    @spec map(list, (T.t() -> term)) :: list
    def map(arguments, fun), do: Enum.map(arguments, &map_one(&1, fun))

    defp map_one(%T{} = tensor, fun), do: fun.(tensor)
    defp map_one([{key, _} | _] = options, _fun) when is_atom(key), do: options
    defp map_one(list, fun) when is_list(list), do: map(list, fun)
    defp map_one(other, _fun), do: other

    @doc "As `map/2`, with an accumulator."
    @spec map_reduce(list, acc, (T.t(), acc -> {term, acc})) :: {list, acc} when acc: term
    def map_reduce(arguments, acc, fun),
      do: Enum.map_reduce(arguments, acc, &reduce_one(&1, &2, fun))

    defp reduce_one(%T{} = tensor, acc, fun), do: fun.(tensor, acc)
    defp reduce_one([{key, _} | _] = options, acc, _fun) when is_atom(key), do: {options, acc}
    defp reduce_one(list, acc, fun) when is_list(list), do: map_reduce(list, acc, fun)
    defp reduce_one(other, acc, _fun), do: {other, acc}
  end
end
