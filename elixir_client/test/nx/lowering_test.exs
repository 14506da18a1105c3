defmodule Davit.Nx.LoweringTest do
  use ExUnit.Case, async: true

  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering, Mlx}

  doctest Lowering

  defp parameter(dtype, shape \\ {3}), do: Expression.parameter({dtype, shape})

  test "an operation that Nx does not have is refused by its name" do
    assert_raise ArgumentError, "operation frob of Nx is not one that is lowered", fn ->
      Lowering.op(:frob, {:float32, {}}, [])
    end
  end

  test "comparisons are uint8, and select takes any number as a condition" do
    a = parameter(:float32)
    assert %{type: {:uint8, {3}}} = Lowering.op(:less, {:uint8, {3}}, [a, a])

    assert %{type: {:float32, {3}}} =
             Lowering.op(:select, {:float32, {3}}, [parameter(:int64), a, a])
  end

  test "what MLX cannot do exactly is for the host" do
    z = parameter(:complex64)
    assert Lowering.op(:erfc, {:complex64, {3}}, [z]) == :host
  end

  test "operands of an op of MLX have one dtype" do
    assert_raise ArgumentError, "op add of float32 and int8; expected one dtype", fn ->
      Mlx.add(parameter(:float32), parameter(:int8))
    end
  end

  test "every name is there once" do
    assert Lowering.names() == Enum.uniq(Lowering.names())
  end
end
