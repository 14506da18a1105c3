if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.InVM do
    @moduledoc false
    # Small operations on tensors whose values are in this VM. Nx.BinaryBackend computes them in less time than a request to an
    # engine takes.

    alias Davit.{Backend, Tensor}
    alias Davit.Nx.{Host, Value}
    alias Nx.Tensor, as: T

    @doc """
    The result of an operation, computed here; `:engine` if an operand is not in this VM, or if an operand or the result has more
    than `limit` bytes.
    """
    @spec compute(T.t(), atom, list, Davit.Engine.name(), non_neg_integer) :: T.t() | :engine
    def compute(_out, _name, _arguments, _engine, 0), do: :engine

    def compute(out, name, arguments, engine, limit) do
      if small?(out, limit) and here?(arguments, limit),
        do: Value.from_binary(out, Host.binary(out, name, arguments), engine, limit),
        else: :engine
    rescue
      # The engine has a result where Nx.BinaryBackend has none, for example of a division by zero.
      ArithmeticError -> :engine
    end

    # Nx.BinaryBackend cuts what a bfloat16 does not hold, the engine rounds it.
    defp small?(%T{type: {:bf, 16}}, _limit), do: false
    defp small?(%T{type: {_, bits}} = out, limit), do: Nx.size(out) * bits <= 8 * limit

    defp here?(list, limit) when is_list(list), do: Enum.all?(list, &here?(&1, limit))

    defp here?(%T{data: %Backend{value: %Tensor{data: data}}} = tensor, limit),
      do: data != nil and small?(tensor, limit)

    defp here?(%T{data: %Nx.BinaryBackend{}} = tensor, limit), do: small?(tensor, limit)
    defp here?(%T{}, _limit), do: false
    defp here?(_, _limit), do: true
  end
end
