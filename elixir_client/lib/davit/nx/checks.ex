if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Checks do
    @moduledoc false
    # Nx.BinaryBackend refuses operands with certain values. They are refused here too if their values are in this VM. Values in the
    # engine are not waited for: there indices are clamped, and a matrix without an inverse makes the run fail.

    alias Davit.Nx.Value
    alias Nx.Tensor, as: T

    @doc "Raises `ArgumentError` where the operation is refused."
    @spec check!(atom | struct, list) :: term
    def check!(:gather, [tensor, indices, options]), do: indices!(tensor, indices, options)

    def check!(name, [tensor, indices, _updates, options])
        when name in [:indexed_add, :indexed_put],
        do: indices!(tensor, indices, options)

    def check!(%Nx.Block.Take{axis: axis}, [tensor, indices]),
      do:
        indices!(tensor, %{indices | shape: Tuple.insert_at(indices.shape, Nx.rank(indices), 1)},
          axes: [axis]
        )

    def check!(%Nx.Block.TakeAlongAxis{axis: axis}, [tensor, indices]),
      do: along!(elem(tensor.shape, axis), axis, tensor.shape, indices)

    def check!(:triangular_solve, [a, _b, _options]) do
      with {:ok, a} <- Value.in_vm(a), true <- Enum.any?(diagonals(a), &zero?/1) do
        raise ArgumentError, "can't solve for singular matrix"
      else
        _ -> :ok
      end
    end

    def check!(name, [_a, %T{type: {:s, _}} = amount]) when name in [:left_shift, :right_shift] do
      with {:ok, amount} <- Value.in_vm(amount),
           negative when negative != nil <- Enum.find(Nx.to_flat_list(amount), &(&1 < 0)) do
        direction = if name == :left_shift, do: "left", else: "right"
        raise ArgumentError, "cannot #{direction} shift by #{negative}"
      else
        _ -> :ok
      end
    end

    def check!(_name, _arguments), do: :ok

    defp indices!(%T{shape: shape} = tensor, indices, options) do
      with {:ok, indices} <- Value.in_vm(indices) do
        depth = elem(indices.shape, tuple_size(indices.shape) - 1)
        axes = options[:axes] || Enum.to_list(0..(depth - 1))
        # As Nx.BinaryBackend sees it: the indexed axes first.
        order = axes ++ (Nx.axes(tensor) -- axes)
        shape = order |> Enum.map(&elem(shape, &1)) |> List.to_tuple()
        indices |> Nx.to_flat_list() |> Enum.chunk_every(depth) |> Enum.each(&index!(&1, shape))
      else
        _ -> :ok
      end
    end

    defp index!(index, shape) do
      for {place, axis} <- Enum.with_index(index), do: place!(place, elem(shape, axis), axis, shape)
    end

    defp along!(size, axis, shape, indices) do
      with {:ok, indices} <- Value.in_vm(indices),
           do: for(place <- Nx.to_flat_list(indices), do: place!(place, size, axis, shape))
    end

    defp place!(place, size, axis, shape) when place < 0 or place >= size do
      raise ArgumentError,
            "index #{place} is out of bounds for axis #{axis} in shape #{Kernel.inspect(shape)}"
    end

    defp place!(_place, _size, _axis, _shape), do: :ok

    defp diagonals(%T{shape: shape} = a) do
      n = elem(shape, tuple_size(shape) - 1)

      for matrix <- a |> Nx.to_flat_list() |> Enum.chunk_every(n * n),
          i <- 0..(n - 1),
          do: Enum.at(matrix, i * n + i)
    end

    defp zero?(%Complex{re: re, im: im}), do: re == 0 and im == 0
    defp zero?(number), do: number == 0
  end
end
