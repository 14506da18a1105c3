defmodule Davit.MsgpackTest do
  use ExUnit.Case, async: true
  doctest Davit.Msgpack

  alias Davit.Msgpack

  {vectors, _} = Code.eval_file(Path.expand("../vectors/msgpack.exs", __DIR__))
  @vectors vectors

  test "encodes and decodes as @msgpack/msgpack does" do
    for {term, form, expected} <- @vectors do
      bytes = Msgpack.encode(term)
      seen = if form == :sha256, do: :crypto.hash(:sha256, bytes), else: bytes
      assert Base.encode64(seen) == expected, "for #{inspect(term, limit: 3)}"
      assert Msgpack.decode(bytes) == {:ok, term}
    end
  end

  test "any term is decoded as it was encoded" do
    :rand.seed(:exsss, {1, 2, 3})

    for _ <- 1..2_000 do
      term = term(4)
      assert term |> Msgpack.encode() |> Msgpack.decode() == {:ok, term}
    end
  end

  defp term(0), do: leaf(:rand.uniform(7))

  defp term(depth) do
    case :rand.uniform(4) do
      1 -> for _ <- 1..:rand.uniform(6), do: term(depth - 1)
      2 -> for _ <- 1..:rand.uniform(6), into: %{}, do: {text(), term(depth - 1)}
      _ -> term(0)
    end
  end

  defp leaf(1), do: :rand.uniform(0x1_0000_0000_0000_0000) - 1
  defp leaf(2), do: -:rand.uniform(0x8000_0000_0000_0000)
  defp leaf(3), do: (:rand.uniform() - 0.5) * :math.pow(10, :rand.uniform(200))
  defp leaf(4), do: text()
  defp leaf(5), do: {:bin, :crypto.strong_rand_bytes(:rand.uniform(300))}
  defp leaf(6), do: Enum.random([nil, true, false, :nan, :infinity, :neg_infinity])
  defp leaf(7), do: :rand.uniform(600) - 300

  defp text, do: for(_ <- 1..:rand.uniform(40), into: "", do: <<Enum.random(?a..?z)>>)

  test "reads 32-bit floats" do
    assert Msgpack.decode(<<0xCA, 1.5::float-32>>) == {:ok, 1.5}
    assert Msgpack.decode(<<0xCA, 0x7F800000::32>>) == {:ok, :infinity}
    assert Msgpack.decode(<<0xCA, 0xFF800000::32>>) == {:ok, :neg_infinity}
    assert Msgpack.decode(<<0xCA, 0x7FC00001::32>>) == {:ok, :nan}
  end

  test "every cut of a message is truncated, and nothing else" do
    bytes = Msgpack.encode(["run", 1.5, -70_000, %{"a" => {:bin, "b"}}, [nil]])

    for size <- 0..(byte_size(bytes) - 1) do
      assert Msgpack.decode(binary_part(bytes, 0, size)) == {:error, {:truncated, size}}
    end
  end

  test "refuses bytes that are not msgpack" do
    assert Msgpack.decode(<<1, 2>>) == {:error, {:trailing_bytes, 1}}
    assert Msgpack.decode(<<0xC1>>) == {:error, {:unsupported, 0xC1}}
    assert Msgpack.decode(<<0xD4, 0, 0>>) == {:error, {:unsupported, 0xD4}}
    assert Msgpack.decode(<<0x81, 1, 2>>) == {:error, {:not_a_string_key, 1}}
    assert Msgpack.decode(:binary.copy(<<0x91>>, 500)) == {:error, {:too_deep, 128}}
    assert Msgpack.decode(<<0x91, 0x91, 0xC0>>, max_depth: 1) == {:error, {:too_deep, 1}}
    # A length of four billion takes no memory.
    assert {:error, {:truncated, _}} = Msgpack.decode(<<0xDD, 0xFFFFFFFF::32, 0xC0>>)
    assert_raise ArgumentError, ~r/ends after 1 bytes/, fn -> Msgpack.decode!(<<0x91>>) end
  end

  test "refuses terms that msgpack cannot represent" do
    for term <- [self(), {1, 2}, 0x1_0000_0000_0000_0000, -0x8000_0000_0000_0001, %{1 => 2}, 1..2] do
      assert_raise ArgumentError, fn -> Msgpack.encode(term) end
    end
  end
end
