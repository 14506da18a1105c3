if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Host do
    @moduledoc false
    # Operations that Nx.BinaryBackend computes, in this VM: on types that MLX does not have, and those with a function of Elixir.
    # Each is counted in telemetry, and logged the first time.

    require Logger

    alias Davit.Nx.{Arguments, Value}
    alias Nx.Tensor, as: T

    # Operations that take integers below a byte as they are. All others compute them as bytes.
    @bits [:bitcast, :as_type, :reshape, :squeeze, :reduce, :window_reduce]

    @doc "The result of an operation, which lives where its operands do."
    @spec compute(T.t(), atom, list) :: T.t()
    def compute(out, name, arguments) do
      if name not in @bits and Enum.any?([out | List.flatten(arguments)], &narrow?/1),
        do: in_bytes(out, name, arguments),
        else: here(out, name, arguments)
    end

    defp narrow?(%T{type: {kind, bits}}), do: kind in [:s, :u] and bits < 8
    defp narrow?(_), do: false

    # Integers below a byte are computed as bytes, whose low bits they keep.
    defp in_bytes(out, :count_leading_zeros, [%T{type: {_, bits}} = a]) do
      byte = wide_type(out)
      count = Value.compute(byte, :count_leading_zeros, [wide(unsigned(a))])
      more = Nx.tensor(8 - bits, type: byte.type, backend: Nx.BinaryBackend)
      narrowed(out, Value.compute(byte, :subtract, [count, more]))
    end

    defp in_bytes(out, :population_count, [a]),
      do: narrowed(out, Value.compute(wide_type(out), :population_count, [wide(unsigned(a))]))

    defp in_bytes(out, name, arguments),
      do: narrowed(out, Value.compute(wide_type(out), name, Arguments.map(arguments, &wide/1)))

    defp narrowed(out, result),
      do: if(narrow?(out), do: Davit.Backend.as_type(out, result), else: result)

    defp unsigned(%T{type: {_, bits}} = a), do: Davit.Backend.bitcast(%{a | type: {:u, bits}}, a)

    defp wide(a), do: if(narrow?(a), do: Davit.Backend.as_type(wide_type(a), a), else: a)

    defp wide_type(%T{type: {kind, _}} = a), do: if(narrow?(a), do: %{a | type: {kind, 8}}, else: a)

    defp here(out, name, arguments) do
      tell(name, out.type)
      {engine, vm_bytes} = Value.place(arguments)
      Value.from_binary(out, binary(out, name, arguments), engine, vm_bytes)
    end

    @doc "The values of a result that Nx.BinaryBackend computes."
    @spec binary(T.t(), atom, list) :: bitstring
    def binary(out, name, arguments) do
      arguments = [out | Arguments.map(arguments, &to_binary_backend/1)]

      # Functions that are called, and some operations, make tensors. They have to be of that backend.
      Nx.with_default_backend(Nx.BinaryBackend, fn -> apply(Nx.BinaryBackend, name, arguments) end)
      |> Nx.to_binary()
    end

    defp to_binary_backend(tensor) do
      case Value.in_vm(tensor) do
        {:ok, tensor} -> tensor
        :error -> Nx.BinaryBackend.from_binary(tensor, Nx.to_binary(tensor), [])
      end
    end

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
