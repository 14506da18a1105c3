defmodule Davit.Frame do
  @moduledoc false
  # Encodes and decodes the payload of a protocol frame: a request number, a msgpack header and raw attachments, each at the
  # next multiple of 8 bytes (`docs/protocol.md`, *Frames*).

  alias Davit.Msgpack

  @type attachments :: tuple

  @copied 1024

  @doc """
  Encodes a payload. `header` is msgpack; the attachments are not copied.

      iex> frame = Davit.Frame.encode(7, Davit.Msgpack.encode(["get", 3]), [<<1, 2>>])
      iex> Davit.Frame.decode(IO.iodata_to_binary(frame))
      {:ok, 7, ["get", 3], {<<1, 2>>}}
  """
  @spec encode(non_neg_integer, binary, [binary]) :: iodata
  def encode(request, header, attachments \\ [])

  def encode(request, header, []) do
    [<<request::64, byte_size(header)::32, 0::32>>, header]
  end

  # Copying a short attachment is cheaper than sending it as a part of its own.
  def encode(request, header, [bytes]) when byte_size(bytes) <= @copied do
    gap = gap(20 + byte_size(header))

    <<request::64, byte_size(header)::32, 1::32, byte_size(bytes)::32, header::binary,
      0::size(gap)-unit(8), bytes::binary>>
  end

  def encode(request, header, attachments) do
    count = length(attachments)
    sizes = for bytes <- attachments, into: <<>>, do: <<byte_size(bytes)::32>>
    preface = <<request::64, byte_size(header)::32, count::32>>
    [preface, sizes, header | pad(attachments, 16 + 4 * count + byte_size(header))]
  end

  defp pad([], _position), do: []

  defp pad([bytes | attachments], position) do
    case gap(position) do
      0 -> [bytes | pad(attachments, position + byte_size(bytes))]
      gap -> [<<0::size(gap)-unit(8)>>, bytes | pad(attachments, position + gap + byte_size(bytes))]
    end
  end

  defp gap(position), do: rem(8 - rem(position, 8), 8)

  @doc """
  Decodes a payload. Attachments are parts of `payload`, not copies. The error is a sentence that says what is wrong.
  """
  @spec decode(binary) :: {:ok, non_neg_integer, list, attachments} | {:error, String.t()}
  def decode(payload) do
    with {:ok, request, header, attachments} <- split(payload),
         do: header(request, header, attachments)
  end

  @doc "As `decode/1`, without decoding the header."
  @spec split(binary) :: {:ok, non_neg_integer, binary, attachments} | {:error, String.t()}
  def split(<<request::64, size::32, 0::32, header::binary-size(size)>>) do
    {:ok, request, header, {}}
  end

  def split(<<request::64, size::32, count::32, rest::binary>> = payload)
      when 4 * count + size <= byte_size(rest) do
    <<_::binary-size(16), sizes::binary-size(4 * count), header::binary-size(size), _::binary>> =
      payload

    case take(sizes, payload, 16 + 4 * count + size, []) do
      {:ok, attachments} -> {:ok, request, header, List.to_tuple(attachments)}
      error -> error
    end
  end

  def split(payload) do
    {:error, "a frame of #{byte_size(payload)} bytes ends before its header does"}
  end

  defp take(<<>>, payload, position, acc) when position == byte_size(payload) do
    {:ok, :lists.reverse(acc)}
  end

  defp take(<<>>, payload, position, _acc) do
    {:error, "a frame has #{byte_size(payload)} bytes, but its preface describes #{position}"}
  end

  defp take(<<size::32, sizes::binary>>, payload, position, acc) do
    start = position + gap(position)

    if start + size <= byte_size(payload) do
      take(sizes, payload, start + size, [binary_part(payload, start, size) | acc])
    else
      {:error, "attachment #{length(acc)} ends beyond the frame's #{byte_size(payload)} bytes"}
    end
  end

  defp header(request, header, attachments) do
    case Msgpack.decode(header) do
      {:ok, [type | _] = message} when is_binary(type) -> {:ok, request, message, attachments}
      {:ok, _} -> {:error, "a frame's header is not an array that begins with a message type"}
      {:error, reason} -> {:error, "a frame's header is not msgpack: #{Msgpack.describe(reason)}"}
    end
  end
end
