defmodule Davit.RunArgumentsTest do
  use ExUnit.Case, async: true

  alias Davit.{Graph, Program, Tensor}
  alias Davit.Run.Arguments

  @f {:float32, {2}}

  defp program(types, names) do
    fields = [id: 1, token: "", engine: nil, node: node(), instance: 1, graph: "", hash: ""]
    struct!(Program, fields ++ [inputs: types, outputs: [], input_names: names])
  end

  test "names are atoms or strings, in any order; a list without names stays as it is" do
    named = program([@f, {:complex64, {}}], ["x", "w"])

    for inputs <- [
          [x: [1, 2], w: 3],
          [w: 3, x: [1, 2]],
          [{"w", 3}, {:x, [1, 2]}],
          %{x: [1, 2], w: 3},
          %{"x" => [1, 2], "w" => 3},
          [[1, 2], 3]
        ] do
      assert Arguments.in_order!(inputs, named) == [[1, 2], 3]
    end

    # Complex numbers are pairs too.
    for number <- [{1, 2}, {:nan, 0}, {:infinity, 1}, {:neg_infinity, :nan}],
        do: assert(Arguments.in_order!([number, 1], named) == [number, 1])

    assert Arguments.in_order!(%{nan: 1}, program([@f], ["nan"])) == [1]
    assert Arguments.in_order!(%{}, program([], nil)) == []
  end

  test "errors list the parameters" do
    named = program([@f, {:int64, {}}], ["x", "w"])
    listed = Regex.escape(Davit.Type.format_all(named.inputs, named.input_names))
    unnamed = program([@f], nil)

    for {program, inputs, message} <- [
          {named, [x: 1], ~r/no value for input "w"; the program takes 2 inputs \(#{listed}\)/},
          {named, %{}, ~r/no value for input "x"; the program takes 2 inputs \(#{listed}\)/},
          {named, [x: 1, y: 2], ~r/no input "y"; the program takes 2 inputs \(#{listed}\)/},
          {named, [{"x", 1}, {:x, 2}, {:w, 3}], ~r/input "x" is given twice/},
          {named, [{:x, 1}, 2], ~r/expected every input to be {name, value}.*got 2/},
          {named, %{1 => 2}, ~r/expected every input to be {name, value}.*got {1, 2}/},
          {named, Tensor.scalar(1, :int8),
           ~r/expected a list of inputs, or a keyword list.*Tensor/},
          {named, 7, ~r/expected a list of inputs, or a keyword list or map.*got 7/},
          {unnamed, [{:x, 1}, 2, {"y", 3}], ~r/by name \(x, y\), but the program takes 1 input/},
          {program([], nil), [x: 1], ~r/by name \(x\), but the program takes no inputs/},
          {unnamed, [x: 1],
           ~r/by name \(x\), but the program takes 1 input \(.*parameters have no names; give a list/}
        ] do
      assert_raise ArgumentError, message, fn -> Arguments.in_order!(inputs, program) end
    end
  end

  describe "the real engine" do
    @describetag :engine

    test "knows the names, of a graph and of its bytes" do
      graph =
        Graph.build([x: @f, scale: {:float32, {}}], fn x, scale -> Graph.multiply(x, scale) end)

      for program <- [Davit.load(graph), Davit.load(Graph.to_binary(graph))] do
        assert program.input_names == ["x", "scale"]
        assert [result] = Davit.run(program, scale: 3, x: [1, 2])
        assert Tensor.to_list(result) == [3.0, 6.0]
        [[a], [b]] = Davit.run_many(program, [%{"x" => [1, 2], "scale" => 2}, [[0, 1], 1]])
        assert {Tensor.to_list(a), Tensor.to_list(b)} == {[2.0, 4.0], [0.0, 1.0]}
        assert [result] = Task.await(Davit.async(program, x: [0, 1], scale: 1), :infinity)
        assert Tensor.to_list(result) == [0.0, 1.0]

        # The plain way and the other one.
        for options <- [[], [timeout: 60_000]] do
          assert_raise ArgumentError, ~r/there is no input "y"/, fn ->
            Davit.run(program, [x: [1, 2], y: 1], options)
          end

          assert_raise ArgumentError, ~r/got 1 input, but the program takes 2 inputs \(x: /, fn ->
            Davit.run(program, [[1, 2]], options)
          end

          assert_raise ArgumentError, ~r/^input 1, "scale", has the type .*shape/, fn ->
            Davit.run(program, [x: [1, 2], scale: [1, 2]], options)
          end
        end
      end
    end

    test "says that parameters have no names" do
      program = Davit.load(Graph.build([@f], &Graph.exp/1))
      assert program.input_names == nil

      assert_raise ArgumentError, ~r/parameters have no names/, fn ->
        Davit.run(program, x: [1, 2])
      end
    end
  end
end
