defmodule Davit.Msgpack do
  @moduledoc false
  # Encodes and decodes msgpack, in the form that the Davit protocol uses.
  #
  # | Elixir | msgpack |
  # |---|---|
  # | `nil`, `true`, `false` | nil, true, false |
  # | integer | the shortest int or uint |
  # | float, `:nan`, `:infinity`, `:neg_infinity` | float 64 |
  # | binary, any other atom | str |
  # | `{:bin, iodata}` | bin |
  # | list | array |
  # | map | map, its keys as str in the order of their UTF-8 bytes |
  #
  # Decoding returns the same terms. A str is decoded as a binary and a bin as `{:bin, binary}`, both parts of the input and
  # not copies. Extension types are refused.

  @max_depth 128

  @type value ::
          nil
          | boolean
          | atom
          | integer
          | float
          | binary
          | {:bin, iodata}
          | [value]
          | %{optional(binary | atom) => value}

  @type reason ::
          {:truncated, non_neg_integer}
          | {:trailing_bytes, non_neg_integer}
          | {:too_deep, non_neg_integer}
          | {:unsupported, byte}
          | {:not_a_string_key, term}

  @doc """
  Encodes a term. Raises `ArgumentError` for a term that msgpack cannot represent.

      iex> Davit.Msgpack.encode(%{"b" => [1, -1], "a" => {:bin, <<0>>}})
      <<0x82, 0xA1, ?a, 0xC4, 1, 0, 0xA1, ?b, 0x92, 1, 0xFF>>
  """
  @spec encode(value) :: binary
  def encode(value), do: :erlang.iolist_to_binary([put(value)])

  # Returns small parts that are joined once at the end: appending to a binary is five times slower for a short message.
  defp put(n) when is_integer(n), do: integer(n)
  defp put(bytes) when is_binary(bytes), do: string(bytes)
  defp put([]), do: 0x90
  defp put(list) when is_list(list), do: [array(length(list)) | items(list)]
  defp put(nil), do: 0xC0
  defp put({:bin, bytes}), do: bin(bytes)
  defp put(map) when is_map(map) and not is_struct(map), do: map(map)
  defp put(x) when is_float(x), do: <<0xCB, x::float-64>>
  defp put(false), do: 0xC2
  defp put(true), do: 0xC3
  defp put(:nan), do: <<0xCB, 0x7FF8_0000_0000_0000::64>>
  defp put(:infinity), do: <<0xCB, 0x7FF0_0000_0000_0000::64>>
  defp put(:neg_infinity), do: <<0xCB, 0xFFF0_0000_0000_0000::64>>
  defp put(atom) when is_atom(atom), do: string(Atom.to_string(atom))

  defp put(other) do
    raise ArgumentError, "msgpack cannot represent #{Davit.Show.show(other)}"
  end

  defp items([]), do: []
  defp items([item | items]), do: [put(item) | items(items)]

  defp integer(n) when n >= 0 do
    cond do
      n < 0x80 -> n
      n <= 0xFF -> [0xCC, n]
      n <= 0xFFFF -> <<0xCD, n::16>>
      n <= 0xFFFF_FFFF -> <<0xCE, n::32>>
      n <= 0xFFFF_FFFF_FFFF_FFFF -> <<0xCF, n::64>>
      true -> too_wide(n)
    end
  end

  defp integer(n) do
    cond do
      n >= -0x20 -> <<n>>
      n >= -0x80 -> <<0xD0, n>>
      n >= -0x8000 -> <<0xD1, n::16>>
      n >= -0x8000_0000 -> <<0xD2, n::32>>
      n >= -0x8000_0000_0000_0000 -> <<0xD3, n::64>>
      true -> too_wide(n)
    end
  end

  defp too_wide(n), do: raise(ArgumentError, "msgpack integers have 64 bits at most, got #{n}")

  defp string(bytes) do
    case byte_size(bytes) do
      size when size < 32 -> [0xA0 + size | bytes]
      size when size <= 0xFF -> [0xD9, size | bytes]
      size when size <= 0xFFFF -> [<<0xDA, size::16>> | bytes]
      size -> [<<0xDB, size::32>> | bytes]
    end
  end

  defp bin(bytes) do
    case IO.iodata_length(bytes) do
      size when size <= 0xFF -> [0xC4, size | bytes]
      size when size <= 0xFFFF -> [<<0xC5, size::16>> | bytes]
      size -> [<<0xC6, size::32>> | bytes]
    end
  end

  @doc "Returns the beginning of an array: so many encoded items are to follow."
  @spec array(non_neg_integer) :: byte | binary
  def array(size) when size < 16, do: 0x90 + size
  def array(size) when size <= 0xFFFF, do: <<0xDC, size::16>>
  def array(size), do: <<0xDD, size::32>>

  defp map(map) do
    pairs = for {key, value} <- map, do: {key(key), value}

    head =
      case map_size(map) do
        size when size < 16 -> 0x80 + size
        size when size <= 0xFFFF -> <<0xDE, size::16>>
        size -> <<0xDF, size::32>>
      end

    [head | pairs(:lists.keysort(1, pairs))]
  end

  defp pairs([]), do: []
  defp pairs([{key, value} | pairs]), do: [string(key), put(value) | pairs(pairs)]

  defp key(key) when is_binary(key), do: key
  defp key(key) when is_atom(key), do: Atom.to_string(key)

  defp key(key) do
    raise ArgumentError, "a map's keys are strings or atoms, got #{Davit.Show.show(key)}"
  end

  @doc """
  Decodes one term that takes up all of `bytes`.

  Options: `:max_depth` (default #{@max_depth}) of nested arrays and maps.

      iex> Davit.Msgpack.decode(<<0x92, 0xC0, 0xA2, "ok">>)
      {:ok, [nil, "ok"]}

      iex> Davit.Msgpack.decode(<<0x92, 0xC0>>)
      {:error, {:truncated, 2}}
  """
  @spec decode(binary, keyword) :: {:ok, value} | {:error, reason}
  def decode(bytes, options \\ []) when is_binary(bytes) do
    max_depth = Keyword.get(options, :max_depth, @max_depth)

    try do
      value(bytes, max_depth)
    catch
      {__MODULE__, :truncated} -> {:error, {:truncated, byte_size(bytes)}}
      {__MODULE__, :too_deep} -> {:error, {:too_deep, max_depth}}
      {__MODULE__, reason} -> {:error, reason}
    else
      {value, ""} -> {:ok, value}
      {_, rest} -> {:error, {:trailing_bytes, byte_size(rest)}}
    end
  end

  @doc "Decodes one term. Raises `ArgumentError` if `decode/2` returns an error."
  @spec decode!(binary, keyword) :: value
  def decode!(bytes, options \\ []) do
    case decode(bytes, options) do
      {:ok, value} -> value
      {:error, reason} -> raise ArgumentError, "not msgpack: #{describe(reason)}"
    end
  end

  @doc "Describes why `decode/2` refused its input."
  @spec describe(reason) :: String.t()
  def describe({:truncated, size}), do: "it ends after #{size} bytes, in the middle of a value"
  def describe({:trailing_bytes, size}), do: "#{size} bytes follow the value"
  def describe({:too_deep, limit}), do: "it nests deeper than #{limit} arrays or maps"
  def describe({:not_a_string_key, key}), do: "a map key is #{inspect(key)}, not a string"

  def describe({:unsupported, byte}),
    do: "no value begins with the byte 0x#{Integer.to_string(byte, 16)}"

  defp value(<<byte, rest::binary>>, _) when byte < 0x80, do: {byte, rest}
  defp value(<<0b101::3, n::5, s::binary-size(n), rest::binary>>, _), do: {s, rest}
  defp value(<<0b1001::4, n::4, rest::binary>>, depth), do: array(n, rest, deeper(depth), [])
  defp value(<<0xC4, n, b::binary-size(n), rest::binary>>, _), do: {{:bin, b}, rest}
  defp value(<<0xCC, n, rest::binary>>, _), do: {n, rest}
  defp value(<<0xCD, n::16, rest::binary>>, _), do: {n, rest}
  defp value(<<0xCE, n::32, rest::binary>>, _), do: {n, rest}
  defp value(<<0xCF, n::64, rest::binary>>, _), do: {n, rest}
  defp value(<<0b111::3, n::5, rest::binary>>, _), do: {n - 32, rest}
  defp value(<<0xC0, rest::binary>>, _), do: {nil, rest}
  defp value(<<0xC2, rest::binary>>, _), do: {false, rest}
  defp value(<<0xC3, rest::binary>>, _), do: {true, rest}
  defp value(<<0b1000::4, n::4, rest::binary>>, depth), do: pairs(n, rest, deeper(depth), [])
  defp value(<<0xCB, f::float-64, rest::binary>>, _), do: {f, rest}
  defp value(<<0xCB, s::1, _::11, m::52, rest::binary>>, _), do: {float(s, m), rest}
  defp value(<<0xCA, f::float-32, rest::binary>>, _), do: {f, rest}
  defp value(<<0xCA, s::1, _::8, m::23, rest::binary>>, _), do: {float(s, m), rest}
  defp value(<<0xC5, n::16, b::binary-size(n), rest::binary>>, _), do: {{:bin, b}, rest}
  defp value(<<0xC6, n::32, b::binary-size(n), rest::binary>>, _), do: {{:bin, b}, rest}
  defp value(<<0xD0, n::signed-8, rest::binary>>, _), do: {n, rest}
  defp value(<<0xD1, n::signed-16, rest::binary>>, _), do: {n, rest}
  defp value(<<0xD2, n::signed-32, rest::binary>>, _), do: {n, rest}
  defp value(<<0xD3, n::signed-64, rest::binary>>, _), do: {n, rest}
  defp value(<<0xD9, n, s::binary-size(n), rest::binary>>, _), do: {s, rest}
  defp value(<<0xDA, n::16, s::binary-size(n), rest::binary>>, _), do: {s, rest}
  defp value(<<0xDB, n::32, s::binary-size(n), rest::binary>>, _), do: {s, rest}
  defp value(<<0xDC, n::16, rest::binary>>, depth), do: array(n, rest, deeper(depth), [])
  defp value(<<0xDD, n::32, rest::binary>>, depth), do: array(n, rest, deeper(depth), [])
  defp value(<<0xDE, n::16, rest::binary>>, depth), do: pairs(n, rest, deeper(depth), [])
  defp value(<<0xDF, n::32, rest::binary>>, depth), do: pairs(n, rest, deeper(depth), [])

  defp value(<<byte, _::binary>>, _) when byte == 0xC1 or byte in 0xC7..0xC9 or byte in 0xD4..0xD8,
    do: throw({__MODULE__, {:unsupported, byte}})

  defp value(_, _), do: throw({__MODULE__, :truncated})

  # A non-finite float does not match `::float`, and is decoded from its sign and mantissa.
  defp float(0, 0), do: :infinity
  defp float(1, 0), do: :neg_infinity
  defp float(_sign, _mantissa), do: :nan

  # A length in the input is never trusted: elements are decoded one by one until the bytes end.
  defp array(0, rest, _depth, acc), do: {:lists.reverse(acc), rest}

  defp array(n, rest, depth, acc) do
    {item, rest} = value(rest, depth)
    array(n - 1, rest, depth, [item | acc])
  end

  defp pairs(0, rest, _depth, acc), do: {:maps.from_list(acc), rest}

  defp pairs(n, rest, depth, acc) do
    {key, rest} = value(rest, depth)
    is_binary(key) or throw({__MODULE__, {:not_a_string_key, key}})
    {value, rest} = value(rest, depth)
    pairs(n - 1, rest, depth, [{key, value} | acc])
  end

  defp deeper(0), do: throw({__MODULE__, :too_deep})
  defp deeper(depth), do: depth - 1
end
