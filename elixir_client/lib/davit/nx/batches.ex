if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Batches do
    @moduledoc false
    # A tensor cut along its first axis into parts of one size.

    alias Nx.Tensor, as: T

    @doc "A stream of the parts. The last one may be filled up from the beginning (`:repeat`), or left out."
    @spec split(T.t(), T.t(), :repeat | :discard | nil) :: Enumerable.t()
    def split(out, tensor, leftover) do
      size = elem(out.shape, 0)
      total = elem(tensor.shape, 0)
      whole = div(total, size)
      parts = if rem(total, size) != 0 and leftover == :repeat, do: whole, else: whole - 1

      Stream.map(Range.new(0, parts, 1), fn
        ^whole ->
          join(
            out,
            part(out, tensor, whole * size, total),
            part(out, tensor, 0, size - rem(total, size))
          )

        index ->
          part(out, tensor, index * size, (index + 1) * size)
      end)
    end

    defp part(out, tensor, from, to) do
      shape = put_elem(tensor.shape, 0, to - from)
      starts = [from | List.duplicate(0, tuple_size(shape) - 1)]
      strides = List.duplicate(1, tuple_size(shape))
      Davit.Backend.slice(%{out | shape: shape}, tensor, starts, Tuple.to_list(shape), strides)
    end

    defp join(out, a, b), do: Davit.Backend.concatenate(out, [a, b], 0)
  end
end
