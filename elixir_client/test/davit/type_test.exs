defmodule Davit.TypeTest do
  use ExUnit.Case, async: true

  alias Davit.Graph, as: G
  alias Davit.{Tensor, Type}

  doctest Davit.Type

  @forms [
    {:bool, [:bool]},
    {:uint8, [:u8, {:u, 8}]},
    {:uint16, [:u16, {:u, 16}]},
    {:uint32, [:u32, {:u, 32}]},
    {:uint64, [:u64, {:u, 64}]},
    {:int8, [:s8, {:s, 8}]},
    {:int16, [:s16, {:s, 16}]},
    {:int32, [:s32, {:s, 32}]},
    {:int64, [:s64, {:s, 64}]},
    {:float16, [:f16, {:f, 16}]},
    {:bfloat16, [:bf16, {:bf, 16}]},
    {:float32, [:f32, {:f, 32}]},
    {:float64, [:f64, {:f, 64}]},
    {:complex64, [:c64, {:c, 64}]}
  ]

  test "every dtype has its forms" do
    assert Enum.sort(Type.dtypes()) == @forms |> Enum.map(&elem(&1, 0)) |> Enum.sort()

    for {dtype, [short | _] = forms} <- @forms, form <- [dtype | forms] do
      assert Type.new!(form, [2, 3]) == {dtype, {2, 3}}
      assert Type.format({form, {2, 3}}) == "#{short}[2][3]"
      assert Type.format({form, {}}) == "#{short}"
      assert Type.item_bytes(form) == Type.item_bytes(dtype)
      assert Type.byte_size({form, {2, 3}}) == 6 * Type.item_bytes(dtype)
    end
  end

  test "an invalid type is named" do
    for other <- [:f8, {:f, 8}, {:u, 32, 1}, "f32", :float, nil] do
      message =
        ~r/a dtype of :bf16, :bool.*{:f, 32} or :float32, got #{Regex.escape(inspect(other))}/

      assert_raise ArgumentError, message, fn -> Type.new!(other, {}) end
    end

    assert_raise ArgumentError, ~r/non-negative sizes for :f32, got {-1}/, fn ->
      Type.new!(:f32, {-1})
    end
  end

  test "the forms are accepted wherever a dtype or a type is" do
    for {dtype, forms} <- @forms, form <- forms do
      assert Tensor.from_list([1], form).type == {dtype, {1}}
      assert Tensor.scalar(1, form).type == {dtype, {}}
      bytes = <<0::size(Type.item_bytes(dtype))-unit(8)>>
      assert Tensor.from_binary(bytes, {form, {1}}).type == {dtype, {1}}

      build = fn type, scalar, form, results ->
        G.build([type, type], fn x, y ->
          [z] = G.callback(x, "c", results)
          w = G.external("w", scalar)
          [z, w, G.typed(y, type), G.constant([1], form), G.astype(x, dtype: form)]
        end)
      end

      type = {dtype, {1}}
      graph = build.({form, [1]}, {form, {}}, form, [{form, {1}}])
      assert graph == build.(type, {dtype, {}}, dtype, [type])
      named = &G.build([x: &1, y: &1], fn x, y -> G.maximum(x, y) end)
      assert named.({form, {1}}) == named.({dtype, {1}})
      results = &G.op("custom_call.callback", [], id: <<0::128>>, name: "c", results: [{&1, {}}])
      assert G.build([], fn -> results.(form) end) == G.build([], fn -> results.(dtype) end)
    end

    message = ~r/op astype: dtype is :f8; expected a dtype such as :f32/
    assert_raise ArgumentError, message, fn -> G.build([{:f32, {}}], &G.astype(&1, dtype: :f8)) end
  end
end
