if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Value do
    @moduledoc false
    # Tensors of Nx and what they hold: a tensor of Davit; or bits, for types that MLX does not have, in the form that
    # Nx.BinaryBackend has them.

    alias Davit.{Backend, Tensor}
    alias Davit.Nx.{Arguments, Checks, Eager, Host, InVM, Origins, Types}
    alias Nx.Tensor, as: T

    # A value of at most this many bytes stays in this VM until an operation takes it along.
    @inline_bytes 4096

    @doc "The tensor of raw values. `vm_bytes` is the limit of `Davit.Nx.InVM`."
    @spec from_binary(T.t(), bitstring, Davit.Engine.name(), non_neg_integer) :: T.t()
    def from_binary(out, binary, engine, vm_bytes \\ 0) do
      value =
        case Types.type(out) do
          nil ->
            binary

          type ->
            if byte_size(binary) > @inline_bytes,
              do: binary |> Tensor.from_binary_in_vm(type) |> Tensor.to_engine(engine),
              else: binary |> own() |> Tensor.from_binary_in_vm(type)
        end

      put(out, value, engine, vm_bytes)
    end

    # A part of a large binary would keep all of it.
    defp own(binary) do
      if :binary.referenced_byte_size(binary) > 2 * byte_size(binary),
        do: :binary.copy(binary),
        else: binary
    end

    defp put(out, value, engine, vm_bytes),
      do: %{out | data: %Backend{value: value, engine: engine, vm_bytes: vm_bytes}}

    @doc "The values of a tensor, or those of its first `limit` elements and perhaps more."
    @spec to_binary(T.t(), non_neg_integer) :: bitstring
    def to_binary(%T{data: %Backend{value: bits}}, _limit) when is_bitstring(bits), do: bits

    def to_binary(
          %T{data: %Backend{value: %Tensor{data: nil} = value, engine: engine}} = tensor,
          limit
        ) do
      # Of a large tensor no more is read than is asked for.
      if limit < Nx.size(tensor) do
        {dtype, shape} = value.type
        size = Davit.Type.elements(shape)
        flat = Eager.run(engine, :reshape, {dtype, {size}}, [value])
        read(engine, Eager.run(engine, :slice, {dtype, {limit}}, [flat, [0], [limit], [1]]))
      else
        read(engine, value)
      end
    end

    def to_binary(%T{data: %Backend{value: value}}, _limit), do: Tensor.to_binary(value)

    @doc "The tensor on Nx.BinaryBackend if its values are in this VM; nothing is read from an engine."
    @spec in_vm(T.t()) :: {:ok, T.t()} | :error
    def in_vm(%T{data: %Nx.BinaryBackend{}} = tensor), do: {:ok, tensor}

    def in_vm(%T{data: %Backend{value: %Tensor{data: data}}} = tensor) when data != nil,
      do: {:ok, Nx.BinaryBackend.from_binary(tensor, data, [])}

    def in_vm(%T{}), do: :error

    defp read(engine, value), do: Origins.explain(engine, fn -> Tensor.to_binary(value) end)

    @doc "The result of an operation on tensors."
    @spec compute(T.t(), atom, list) :: T.t()
    def compute(out, name, arguments) do
      {engine, vm_bytes} = place(arguments)

      with :engine <- InVM.compute(out, name, arguments, engine, vm_bytes),
           do: compute(engine, out, name, arguments, vm_bytes)
    end

    @doc "The result of an operation in an engine."
    @spec compute(Davit.Engine.name(), T.t(), atom, list, non_neg_integer) :: T.t()
    def compute(engine, out, name, arguments, vm_bytes) do
      with type when type != nil <- Types.type(out),
           {:ok, values} <- values(arguments, engine) do
        Checks.check!(name, arguments)

        case Eager.run(engine, name, type, values) do
          :host -> Host.compute(out, name, arguments)
          value -> put(out, value, engine, vm_bytes)
        end
      else
        _ -> Host.compute(out, name, arguments)
      end
    end

    @doc "The results of a block; `:default` where its default implementation is to be used."
    @spec compute_block(struct, T.t() | tuple, list) :: T.t() | tuple | :default
    def compute_block(block, output, arguments) do
      {engine, vm_bytes} = place(arguments)
      outs = if is_tuple(output), do: Tuple.to_list(output), else: [output]
      types = Enum.map(outs, &Types.type/1)

      with true <- Enum.all?(types),
           {:ok, values} <- values(arguments, engine),
           Checks.check!(block, arguments),
           results when is_list(results) <- Eager.run_block(engine, block, types, values) do
        results = Enum.zip_with(outs, results, &put(&1, &2, engine, vm_bytes))
        if is_tuple(output), do: List.to_tuple(results), else: hd(results)
      else
        _ -> :default
      end
    end

    # The arguments with values for tensors; an error where one has a type that MLX does not have.
    defp values(arguments, engine) do
      {:ok, Arguments.map(arguments, &value(&1, engine))}
    catch
      :no_dtype -> :error
    end

    defp value(%T{data: %Backend{value: %Tensor{} = value}}, _engine), do: value
    defp value(%T{data: %Backend{}}, _engine), do: throw(:no_dtype)

    # Of another backend.
    defp value(%T{} = tensor, engine) do
      tensor |> from_binary(Nx.to_binary(tensor), engine) |> value(engine)
    end

    @doc """
    The engine of an operation on the tensors, and the limit of `Davit.Nx.InVM`: those of the first tensor that is in an engine, or
    else of the first tensor.
    """
    @spec place(list) :: {Davit.Engine.name(), non_neg_integer}
    def place(arguments) do
      tensors = for %T{data: %Backend{} = data} <- List.flatten(arguments), do: data
      in_engine = Enum.find(tensors, &match?(%{value: %Tensor{ref: ref}} when ref != nil, &1))

      case in_engine || List.first(tensors) do
        nil -> {Davit.Engine, 0}
        data -> {data.engine, data.vm_bytes}
      end
    end

    @doc "Frees what the tensor has in the engine."
    @spec free(T.t()) :: :ok
    def free(%T{data: %Backend{value: %Tensor{} = value}}), do: Tensor.free(value)
    def free(_tensor), do: :ok
  end
end
