defmodule Davit.RealEngine.ExportFunctionTest do
  use ExUnit.Case, async: true
  @moduletag :engine
  @moduletag :tmp_dir

  alias Davit.{EngineError, Graph, ImportedFunction, Real, Tensor}

  setup do
    {:ok, engine: Real.start()}
  end

  # softmax(hook(x @ w) / scale) for x of so many rows.
  defp classify(engine, rows) do
    Graph.build([{:f32, {rows, 2}}, {:f32, {}}], fn x, scale ->
      w = Graph.constant([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]], :f32)
      scores = x |> Graph.matmul(w) |> Graph.hook("scores")
      Graph.softmax(Graph.divide(scores, scale), axes: [-1])
    end)
    |> Davit.load(engine: engine)
  end

  test "writes programs, which run again", %{engine: engine, tmp_dir: folder} do
    [one, three] = programs = Enum.map([1, 3], &classify(engine, &1))
    path = Path.join(folder, "classify.mlxfn")
    options = [keywords: [:scale], metadata: "by rows"]
    assert %{hooks_left_out: 2} = Davit.export_function(path, programs, options)

    f = Davit.import_function(path, engine: engine)
    assert %{metadata: "by rows", shapeless: false} = f

    for {program, rows} <- [{one, 1}, {three, 3}] do
      x = for row <- 1..rows, do: [row * 1.0, 0.5]
      [expected] = Davit.run(program, [x, 2.0])
      [y] = ImportedFunction.run(f, [x], scale: 2.0)
      assert Tensor.to_list(y) == Tensor.to_list(expected)
    end
  end

  test "writes a function that takes any sizes", %{engine: engine, tmp_dir: folder} do
    path = Path.join(folder, "any.mlxfn")
    Davit.export_function(path, classify(engine, 2), keywords: ["scale"], shapeless: true)
    f = Davit.import_function(path, engine: engine)
    assert f.shapeless
    x = [[1.0, 0.5], [2.0, 3.0], [0.0, 1.0]]
    [expected] = Davit.run(classify(engine, 3), [x, 2.0])
    [y] = ImportedFunction.run(f, [x], scale: 2.0)
    assert Tensor.to_list(y) == Tensor.to_list(expected)

    f = ImportedFunction.specialize(f, [x], scale: 2.0)
    assert [_, %{program: program}] = f.traces
    assert program.inputs == [float32: {3, 2}, float32: {}]
    assert ImportedFunction.specialize(f, [x], scale: 1.0) == f
    [y] = ImportedFunction.run(f, [Tensor.from_list(x, :f32)], scale: 2.0)
    assert Tensor.to_list(y) == Tensor.to_list(expected)

    error = assert_raise EngineError, fn -> ImportedFunction.run(f, [[1.0, 2.0]], scale: 2.0) end
    assert error.code == :input_type_invalid
    assert error.message =~ "expected one of these, with any sizes:\n  (f32[2][2], scale: f32)"
    error = assert_raise EngineError, fn -> ImportedFunction.run(f, [[[1.0]]], scale: 2.0) end
    assert error.op == "matmul"
  end

  test "names the node that cannot be written, and the trace", %{engine: engine, tmp_dir: folder} do
    path = Path.join(folder, "never.mlxfn")
    sums = Graph.build([{:f32, {2}}], &Graph.logcumsumexp/1) |> Davit.load(engine: engine)
    programs = [classify(engine, 1), sums]
    error = assert_raise EngineError, fn -> Davit.export_function(path, programs) end
    assert %{code: :export_unsupported, op: "logcumsumexp"} = error
    assert error.message =~ "in trace 1"
    assert File.ls!(folder) == []
    assert_raise ArgumentError, ~r/one or more programs/, fn -> Davit.export_function(path, []) end
  end
end
