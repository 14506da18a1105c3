defmodule Davit.RealEngine.ImportedFunctionTest do
  use ExUnit.Case, async: true
  @moduletag :engine

  alias Davit.{EngineError, Hooks, ImportedFunction, Real, Tensor}

  # Python MLX exported it: softmax(x @ w / temperature), w being 0.0, 0.1, ... as float32[2, 10]; traces for 1 row and for 3.
  @path Path.expand("../vectors/classify.mlxfn", __DIR__)

  # What Python computes for x = [[1, 0.5]], before and after the softmax.
  @scores for column <- 0..9, do: 0.1 * column + 0.5 * (1.0 + 0.1 * column)

  defp softmax(scores, temperature) do
    powers = Enum.map(scores, &:math.exp(&1 / temperature))
    Enum.map(powers, &(&1 / Enum.sum(powers)))
  end

  defp close?(values, expected),
    do: values |> Enum.zip(expected) |> Enum.all?(fn {a, b} -> abs(a - b) < 1.0e-6 end)

  setup do
    {:ok, f: Davit.import_function(@path, engine: Real.start())}
  end

  test "has a program for each trace, with keywords and metadata", %{f: f} do
    assert %{path: @path, version: "0.32.4", metadata: "", shapeless: false} = f

    assert Enum.map(f.traces, &ImportedFunction.signature/1) == [
             "(f32[1][2], temperature: f32) -> f32[1][10]",
             "(f32[3][2], temperature: f32) -> f32[3][10]"
           ]
  end

  test "returns the results, and sends the values inside it to subscribers", %{f: f} do
    test = self()
    hooks = [{{:probe, "matmul.*"}, &send(test, {:matmul, Hooks.Event.value(&1)})}]
    [y] = ImportedFunction.run(f, [[[1.0, 0.5]]], [temperature: 2.0], hooks: hooks)
    assert [row] = Tensor.to_list(y)
    assert close?(row, softmax(@scores, 2.0))
    assert_receive {:matmul, value}
    assert [scores] = Tensor.to_list(value)
    assert close?(scores, @scores)

    rows = Tensor.from_list(List.duplicate([1.0, 0.5], 3), :f32)
    assert [y] = ImportedFunction.run(f, [rows], %{"temperature" => 1})
    for row <- Tensor.to_list(y), do: assert(close?(row, softmax(@scores, 1.0)))
  end

  test "lists the signatures where no trace is for the inputs", %{f: f} do
    error = assert_raise EngineError, fn -> ImportedFunction.run(f, [[1.0]], scale: 1.0) end
    assert error.code == :input_type_invalid

    assert error.message ==
             "#{@path} has no trace for (values of the shape [1], scale: values of the shape []), expected one of" <>
               "\n  (f32[1][2], temperature: f32) -> f32[1][10]\n  (f32[3][2], temperature: f32) -> f32[3][10]"
  end

  test "refuses a file that is not there, and one that is something else", %{
    f: %{traces: [%{program: program} | _]}
  } do
    engine = program.engine
    error = assert_raise EngineError, fn -> Davit.import_function("none.mlxfn", engine: engine) end
    assert error.code == :file_missing
    error = assert_raise EngineError, fn -> Davit.import_function(__ENV__.file, engine: engine) end
    assert error.code in [:file_malformed, :file_truncated]
  end
end
