defmodule Davit.TensorTest do
  use ExUnit.Case, async: true
  doctest Davit.Tensor

  alias Davit.{Fake, Tensor, Type}

  describe "in the VM" do
    test "numbers of every dtype come back" do
      lists = %{
        bool: [true, false],
        float16: [1.5, -65504.0, :nan, :infinity, :neg_infinity],
        bfloat16: [1.5, -3.0, :nan, :infinity, :neg_infinity],
        float32: [1.5, -0.0, :nan, :infinity, :neg_infinity],
        float64: [1.0e300, :nan, :infinity, :neg_infinity],
        complex64: [{1.0, -2.5}, {:nan, :infinity}]
      }

      for dtype <- Type.dtypes() do
        list = lists[dtype] || edges(dtype)
        tensor = Tensor.from_list(list, dtype)
        assert tensor.type == {dtype, {length(list)}}
        assert byte_size(Tensor.to_binary(tensor)) == Type.byte_size(tensor.type)
        assert Tensor.to_list(tensor) == list
      end
    end

    defp edges(dtype) do
      bits = 8 * Type.item_bytes(dtype)

      case to_string(dtype) do
        "u" <> _ -> [0, 1, Bitwise.bsl(1, bits) - 1]
        _ -> [-Bitwise.bsl(1, bits - 1), -1, 0, Bitwise.bsl(1, bits - 1) - 1]
      end
    end

    test "floats round to nearest even, and overflow to infinity" do
      assert Tensor.from_list([1.00390625, 1.01171875], :bfloat16) |> Tensor.to_list() == [
               1.0,
               1.015625
             ]

      assert Tensor.from_list([1.0e39, -1.0e39], :float32) |> Tensor.to_list() == [
               :infinity,
               :neg_infinity
             ]

      assert Tensor.from_list([70_000], :float16) |> Tensor.to_list() == [:infinity]
      assert Tensor.from_list([3.4e38], :bfloat16) |> Tensor.to_list() == [:infinity]
    end

    test "nested lists, scalars and empty lists" do
      for {list, shape} <- [
            {7, {}},
            {[], {0}},
            {[[], []], {2, 0}},
            {[[[1], [2]], [[3], [4]]], {2, 2, 1}}
          ] do
        tensor = Tensor.from_list(list, :int32)
        assert tensor.type == {:int32, shape}
        assert Tensor.to_list(tensor) == list
      end
    end

    test "bad values are named" do
      assert_raise ArgumentError, ~r/256 does not fit u8/, fn -> Tensor.from_list([256], :uint8) end

      assert_raise ArgumentError, ~r/1.5 does not fit s32/, fn ->
        Tensor.from_list([1.5], :int32)
      end

      assert_raise ArgumentError, ~r/"a" is not a number/, fn ->
        Tensor.from_list(["a"], :float32)
      end

      assert_raise ArgumentError, ~r/of the shapes/, fn ->
        Tensor.from_list([[1], [1, 2]], :int8)
      end

      assert_raise ArgumentError, ~r/has 8 bytes, got 3/, fn ->
        Tensor.from_binary("abc", {:int32, {2}})
      end

      assert_raise ArgumentError, ~r/:float31/, fn -> Tensor.from_binary("", {:float31, {0}}) end
      assert_raise ArgumentError, ~r/non-negative/, fn -> Tensor.from_binary("", {:int8, {-1}}) end
    end

    test "inspecting shows the type and some values" do
      assert inspect(Tensor.from_list([[1, 2], [3, 4]], :int8)) ==
               "#Davit.Tensor<s8[2][2] [[1, 2], [3, 4]]>"

      long = Tensor.from_list(Enum.to_list(1..100), :float32)
      assert inspect(long, limit: 2) == "#Davit.Tensor<f32[100] [1.0, 2.0, ...]>"
      deep = Tensor.from_list([[[1], [2]], [[3], [4]]], :int64)
      assert inspect(deep, limit: 3) == "#Davit.Tensor<s64[2][2][1] [[[1], [2]], [[3], ...]]>"
      assert inspect(deep, limit: 0) == "#Davit.Tensor<s64[2][2][1] [...]>"
      table = Tensor.from_list(for(i <- 1..3, do: for(j <- 1..12, do: 1000 * i + j)), :int32)

      assert inspect(table, pretty: true) == """
             #Davit.Tensor<
               s32[3][12]
               [
                 [1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012],
                 [2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008, 2009, 2010, 2011, 2012],
                 [3001, 3002, 3003, 3004, 3005, 3006, 3007, 3008, 3009, 3010, 3011, 3012]
               ]
             >\
             """
    end

    test "inspecting shows every kind of number, and as many digits as asked for" do
      floats = [1, -0.0, 1.0e300, :nan, :infinity, :neg_infinity]

      for {list, dtype, options, text} <- [
            {floats, :float64, [], "f64[6] [1.0, -0.0, 1.0e300, NaN, Inf, -Inf]"},
            {[0.1, 123.456], :float32, [precision: 3], "f32[2] [0.1, 123.0]"},
            {[0.1, -12345.6], :float16, [precision: 1], "f16[2] [0.1, -1.0e4]"},
            {[{1, -2.5}, {:nan, 3}], :complex64, [], "c64[2] [1.0-2.5i, NaN+3.0i]"},
            {[true, false], :bool, [precision: 3], "bool[2] [true, false]"},
            {7, :uint8, [], "u8 7"},
            {[[], []], :int8, [], "s8[2][0] []"}
          ] do
        tensor = Tensor.from_list(list, dtype)
        assert inspect(tensor, custom_options: options) == "#Davit.Tensor<#{text}>"
      end
    end
  end

  describe "in an engine" do
    test "small tensors are sent over the port, large ones over the bulk socket" do
      engine = Fake.start()

      for size <- [0, 1, 65_536, 65_537, 3_000_000] do
        bytes = :crypto.strong_rand_bytes(size)
        tensor = Tensor.from_binary(bytes, {:uint8, {size}}, engine: engine, place: :engine)
        assert tensor.ref.engine == engine
        assert Tensor.to_binary(%{tensor | data: nil}) == bytes
      end
    end

    test "many processes send and read large tensors at once" do
      engine = Fake.start()

      1..6
      |> Task.async_stream(fn _ ->
        bytes = :crypto.strong_rand_bytes(200_000)
        tensor = Tensor.from_binary(bytes, {:uint8, {200_000}}, engine: engine)
        assert tensor.data == nil
        assert Tensor.to_binary(tensor) == bytes
      end)
      |> Enum.each(&assert {:ok, _} = &1)
    end

    test "without a bulk socket everything is sent over the port" do
      engine = Fake.start(["nobulk"])
      bytes = :crypto.strong_rand_bytes(200_000)
      tensor = Tensor.from_binary(bytes, {:uint8, {200_000}}, engine: engine)
      assert Tensor.to_binary(tensor) == bytes
    end

    test "freeing is at once, and using a freed tensor an error" do
      engine = Fake.start()
      tensor = Tensor.from_binary(<<0::800_000>>, {:uint8, {100_000}}, engine: engine)
      assert :ok = Tensor.free(tensor)
      error = assert_raise Davit.EngineError, fn -> Tensor.to_binary(tensor) end
      assert error.code == :tensor_freed
    end

    test "a tensor of another engine or node is refused" do
      [a, b] = [Fake.start(), Fake.start()]
      tensor = Tensor.from_binary(<<0::800_000>>, {:uint8, {100_000}}, engine: a)
      program = Fake.program(b, "echo", [{:uint8, {100_000}}])
      error = assert_raise Davit.EngineError, fn -> Davit.run(program, [tensor]) end
      assert error.code == :tensor_foreign

      elsewhere = put_in(tensor.ref.node, :other@host)
      error = assert_raise Davit.EngineError, fn -> Tensor.to_binary(elsewhere) end
      assert error.code == :tensor_foreign
      assert error.message =~ "u8[100000]"
      assert :ok = Tensor.free(elsewhere)
    end

    test "inspecting does not fetch" do
      engine = Fake.start()
      tensor = Tensor.from_binary(<<0::800_000>>, {:uint8, {100_000}}, engine: engine)
      Tensor.free(tensor)
      assert inspect(tensor) == "#Davit.Tensor<u8[100000] in #{inspect(engine)}>"
    end
  end
end
