defmodule Davit.FrameTest do
  use ExUnit.Case, async: true
  doctest Davit.Frame

  alias Davit.{Frame, Msgpack}

  test "attachments lie at multiples of 8 and come back" do
    for sizes <- [[], [0], [1], [8], [3, 0, 16, 5, 100_000]] do
      attachments = Enum.map(sizes, &:crypto.strong_rand_bytes/1)
      header = Msgpack.encode(["put", Enum.random(["", "xxxx", "yyyyyyy"])])
      bytes = IO.iodata_to_binary(Frame.encode(9, header, attachments))
      assert {:ok, 9, ["put", _], got} = Frame.decode(bytes)
      assert Tuple.to_list(got) == attachments

      for attachment <- attachments, byte_size(attachment) > 4 do
        {position, _} = :binary.match(bytes, attachment)
        assert rem(position, 8) == 0
      end
    end
  end

  test "every cut of a frame is an error" do
    bytes = IO.iodata_to_binary(Frame.encode(9, Msgpack.encode(["a"]), ["12345", "6"]))

    for size <- 0..(byte_size(bytes) - 1),
        do: assert({:error, _} = Frame.decode(binary_part(bytes, 0, size)))

    assert {:error, why} = Frame.decode(bytes <> "x")
    assert why =~ "describes #{byte_size(bytes)}"
  end

  test "wrong sizes are errors" do
    assert {:error, _} = Frame.decode(<<1::64, 0xFFFFFFFF::32, 0xFFFFFFFF::32, 0::64>>)
    assert {:error, why} = Frame.decode(<<1::64, 2::32, 1::32, 500::32, 0x91, 0xC0>>)
    assert why =~ "attachment 0 ends beyond"
    assert {:error, why} = Frame.decode(<<1::64, 1::32, 0::32, 0xC0>>)
    assert why =~ "begins with a message type"
  end
end
