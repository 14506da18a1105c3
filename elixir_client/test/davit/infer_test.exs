defmodule Davit.Graph.InferTest do
  use ExUnit.Case, async: true

  alias Davit.Graph.{Check, Infer, OpTable}

  {vectors, _} = Code.eval_file(Path.expand("../vectors/types.exs", __DIR__))
  @vectors vectors
  @dtypes Enum.map(@vectors["dtypes"], &String.to_atom/1)

  test "every type rule has vectors" do
    ruled = for {name, %{type: type}} when type != nil <- OpTable.ops(), do: name
    assert Enum.sort(ruled) == @vectors["ops"] |> Map.keys() |> Enum.sort()
  end

  for {op, rows} <- Enum.sort(@vectors["ops"]) do
    test "#{op} has the dtype that MLX answers" do
      op = unquote(op)
      {:ok, row} = OpTable.fetch(op)
      attributes = attributes(row, @vectors["attributes"][op] || %{})

      for {operands, answer} <- calls(row, op, unquote(rows)), answer != ?- do
        expected = Enum.at(@dtypes, answer - ?a)
        inferred = Infer.type(row, operands, attributes)

        # Of integers it depends on the axes.
        if row.type.dtype == :known_float and inferred == nil do
          assert [{dtype, _}] = operands
          assert dtype not in [:float16, :bfloat16, :float32, :float64, :complex64]
        else
          assert {^expected, _} = inferred, inspect({op, operands, inferred})
        end
      end
    end
  end

  for {%{"op" => op} = vector, number} <- Enum.with_index(@vectors["shapes"]) do
    test "#{op} has the shape that MLX answers, #{number}" do
      vector = unquote(Macro.escape(vector))
      {:ok, row} = OpTable.fetch(vector["op"])
      operands = for shape <- vector["shapes"], do: {:float32, List.to_tuple(shape)}
      expected = {String.to_atom(vector["dtype"]), List.to_tuple(vector["shape"])}
      assert Infer.type(row, operands, attributes(row, vector["attributes"])) == expected
    end
  end

  test "an operand whose type is unknown leaves the result's unknown, an absent one does not" do
    {:ok, clip} = OpTable.fetch("clip")
    assert Infer.type(clip, [{:float32, {2}}, nil], %{}) == nil
    assert Infer.type(clip, [{:float32, {2}}, :absent, {:float32, {}}], %{}) == {:float32, {2}}
  end

  defp attributes(row, given), do: Check.with_defaults(row, given)

  # The operands of every place of the vectors: rows by the dtype of the first, columns by that of the last.
  defp calls(%{max: 0}, _op, [answer]), do: [{[], hd(to_charlist(answer))}]

  defp calls(row, op, rows) do
    count = if op == "clip", do: 2, else: row.min

    for {line, first} <- Enum.zip(rows, if(count == 1, do: [nil], else: @dtypes)),
        {answer, last} <- Enum.zip(to_charlist(line), @dtypes) do
      given = Enum.reject([first, last], &is_nil/1)
      dtypes = List.duplicate(:bool, count - length(given)) ++ given
      {Enum.map(dtypes, &{&1, {2, 3}}), answer}
    end
  end
end
