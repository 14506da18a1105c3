defmodule Davit.Tensor.Elements do
  @moduledoc false
  # Converts nested lists of numbers to the bytes of a tensor, and back.

  import Bitwise

  alias Davit.Type

  @type number_like :: Davit.Tensor.number_like()
  @type nested :: Davit.Tensor.nested()

  @doc "Returns the shape of a nested list. Raises `ArgumentError` if its parts differ in shape."
  @spec shape(nested) :: tuple
  def shape(list), do: list |> sizes() |> List.to_tuple()

  defp sizes([]), do: [0]

  defp sizes([first | rest] = list) do
    sizes = sizes(first)

    for item <- rest, other = sizes(item), other != sizes do
      raise ArgumentError,
            "a nested list has parts of the shapes #{inspect(sizes)} and #{inspect(other)}"
    end

    [length(list) | sizes]
  end

  defp sizes(_number), do: []

  @doc "Returns the bytes of a nested list that has the shape of the type."
  @spec encode(nested, Type.t()) :: binary
  def encode(list, {dtype, _}) do
    [list] |> List.flatten() |> Enum.map(&element(dtype, &1)) |> IO.iodata_to_binary()
  end

  defp element(:bool, value) when value in [true, 1], do: <<1>>
  defp element(:bool, value) when value in [false, 0], do: <<0>>

  for {dtype, bits} <- [uint8: 8, uint16: 16, uint32: 32, uint64: 64] do
    defp element(unquote(dtype), n) when is_integer(n) and n >= 0 and n < unquote(1 <<< bits),
      do: <<n::little-unquote(bits)>>
  end

  for {dtype, bits} <- [int8: 8, int16: 16, int32: 32, int64: 64], half = 1 <<< (bits - 1) do
    defp element(unquote(dtype), n)
         when is_integer(n) and n >= -unquote(half) and n < unquote(half),
         do: <<n::little-signed-unquote(bits)>>
  end

  defp element(:float64, x), do: float(x, 64)
  defp element(:float32, x), do: float(x, 32)
  defp element(:float16, x), do: float(x, 16)
  defp element(:bfloat16, x), do: bfloat(x)
  defp element(:complex64, {re, im}), do: float(re, 32) <> float(im, 32)
  defp element(:complex64, re), do: float(re, 32) <> <<0::32>>

  defp element(dtype, value) do
    raise ArgumentError, "#{inspect(value)} does not fit #{Type.format_dtype(dtype)}"
  end

  defp float(:nan, 64), do: <<0x7FF8000000000000::little-64>>
  defp float(:nan, 32), do: <<0x7FC00000::little-32>>
  defp float(:nan, 16), do: <<0x7E00::little-16>>
  defp float(:infinity, bits), do: <<infinity(bits)::little-size(bits)>>
  defp float(:neg_infinity, bits), do: <<1 <<< (bits - 1) ||| infinity(bits)::little-size(bits)>>

  defp float(x, bits) when is_number(x) do
    <<x::float-little-size(bits)>>
  rescue
    # The number is beyond the largest finite one.
    ArgumentError -> float(if(x > 0, do: :infinity, else: :neg_infinity), bits)
  end

  defp float(x, _), do: raise(ArgumentError, "#{inspect(x)} is not a number")

  defp infinity(64), do: 0x7FF0000000000000
  defp infinity(32), do: 0x7F800000
  defp infinity(16), do: 0x7C00

  # Rounded to the nearest even, from the 32-bit float.
  defp bfloat(:nan), do: <<0x7FC0::little-16>>

  defp bfloat(x) do
    <<bits::little-32>> = float(x, 32)
    rounded = bits + 0x7FFF + (bits >>> 16 &&& 1)
    <<rounded >>> 16::little-16>>
  end

  @doc "Returns the nested list of a tensor's bytes, or a number for a scalar."
  @spec decode(binary, Type.t()) :: nested
  def decode(bytes, {dtype, shape}) do
    numbers = numbers(dtype, bytes)
    nest(numbers, Tuple.to_list(shape))
  end

  defp nest([number], []), do: number
  defp nest(numbers, [_]), do: numbers

  defp nest(numbers, [size | rest]) do
    case Enum.product(rest) do
      0 -> List.duplicate(nest([], rest), size)
      step -> numbers |> Enum.chunk_every(step) |> Enum.map(&nest(&1, rest))
    end
  end

  defp numbers(:bool, bytes), do: for(<<b <- bytes>>, do: b != 0)

  for {dtype, bits} <- [uint8: 8, uint16: 16, uint32: 32, uint64: 64] do
    defp numbers(unquote(dtype), bytes), do: for(<<n::little-unquote(bits) <- bytes>>, do: n)
  end

  for {dtype, bits} <- [int8: 8, int16: 16, int32: 32, int64: 64] do
    defp numbers(unquote(dtype), bytes), do: for(<<n::little-signed-unquote(bits) <- bytes>>, do: n)
  end

  defp numbers(:float64, bytes), do: for(<<b::binary-8 <- bytes>>, do: number(b))
  defp numbers(:float32, bytes), do: for(<<b::binary-4 <- bytes>>, do: number(b))
  defp numbers(:float16, bytes), do: for(<<b::binary-2 <- bytes>>, do: number(b))

  defp numbers(:bfloat16, bytes),
    do: for(<<n::little-16 <- bytes>>, do: number(<<n <<< 16::little-32>>))

  defp numbers(:complex64, bytes),
    do: for(<<re::binary-4, im::binary-4 <- bytes>>, do: {number(re), number(im)})

  defp number(<<x::float-little-32>>), do: x
  defp number(<<x::float-little-64>>), do: x
  defp number(<<x::float-little-16>>), do: x
  defp number(<<n::little-32>>), do: non_finite(n >>> 31, n &&& 0x7FFFFF)
  defp number(<<n::little-64>>), do: non_finite(n >>> 63, n &&& 0xFFFFFFFFFFFFF)
  defp number(<<n::little-16>>), do: non_finite(n >>> 15, n &&& 0x3FF)

  defp non_finite(0, 0), do: :infinity
  defp non_finite(1, 0), do: :neg_infinity
  defp non_finite(_, _), do: :nan
end
