if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Host do
    @moduledoc false
    # Operations that Nx.BinaryBackend computes, in this VM: on types that MLX does not have, and those with a function of Elixir.
    # Each is counted in telemetry, and logged the first time.

    require Logger

    alias Davit.Nx.Value
    alias Nx.Tensor, as: T

    @doc "The result of an operation, which lives where its operands do."
    @spec compute(T.t(), atom, list) :: T.t()
    def compute(out, name, arguments) do
      tell(name, out.type)
      engine = Value.engine(arguments) || Davit.Engine
      arguments = [out | Enum.map(arguments, &home/1)]
      # What a function makes meanwhile has to be of that backend.
      result =
        Nx.with_default_backend(Nx.BinaryBackend, fn -> apply(Nx.BinaryBackend, name, arguments) end)

      Value.from_binary(out, Nx.to_binary(result), engine)
    end

    defp home(%T{data: %Nx.BinaryBackend{}} = tensor), do: tensor
    defp home(%T{} = tensor), do: Nx.BinaryBackend.from_binary(tensor, Nx.to_binary(tensor), [])
    defp home([{key, _} | _] = options) when is_atom(key), do: options
    defp home(list) when is_list(list), do: Enum.map(list, &home/1)
    defp home(other), do: other

    defp tell(name, type) do
      Davit.Telemetry.execute([:nx, :host], %{count: 1}, %{operation: name, type: type})
      key = {__MODULE__, name, type}

      if not :persistent_term.get(key, false) do
        :persistent_term.put(key, true)

        Logger.info(
          "Nx.#{name} with the result type #{Kernel.inspect(type)} is computed by Nx.BinaryBackend: " <>
            "MLX has no exact equivalent"
        )
      end
    end
  end
end
