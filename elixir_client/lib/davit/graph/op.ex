defmodule Davit.Graph.Op do
  @moduledoc false
  # Nodes of ops in the op table: what a caller wrote is checked, operands that are no values become constants, and the
  # outputs get their types.

  alias Davit.Graph.{Check, Constant, Infer, Scope, Value}
  alias Davit.Tensor

  @doc "Adds an op by its name, see `Davit.Graph.op/3`."
  @spec add(String.t(), [Davit.Graph.operand() | nil], keyword) :: Value.t() | [Value.t()]
  def add(name, operands, options) do
    row = Check.row!(name)
    Check.operands!(name, row, operands)
    {own, given} = Keyword.split(options, [:label, :outputs])
    attributes = Check.attributes!(name, row, given)
    operands = constants_beside(operands, row)
    node = Scope.with_label(%{op: name, attributes: attributes}, own[:label])

    complete = Check.with_defaults(row, attributes)

    case outputs(name, row, operands, complete, own[:outputs]) do
      1 when row.outputs == 1 -> hd(Scope.add(node, operands, [infer(row, operands, complete)]))
      count -> Scope.add(node, operands, List.duplicate(nil, count))
    end
  end

  # A type that cannot be told is no error here: the engine says what is wrong with an op, if anything is.
  defp infer(row, operands, attributes) do
    Infer.type(row, Enum.map(operands, &if(&1, do: &1.type, else: :absent)), attributes)
  rescue
    ArgumentError -> nil
  end

  # How many values an op returns, by its row.
  defp outputs(_name, %{outputs: count}, _, _, _) when is_integer(count), do: count
  defp outputs(_name, _row, _, _, count) when is_integer(count) and count > 0, do: count
  defp outputs(_name, %{outputs: :operands}, operands, _, _), do: length(operands)
  defp outputs(_name, %{outputs: :types}, _, attributes, _), do: length(attributes["results"])

  defp outputs(name, %{outputs: rule}, operands, attributes, _) do
    counted(rule, operands, attributes) ||
      raise ArgumentError,
            "op #{name} returns as many values as the size of an axis, which is not known here; " <>
              "state the type of the operand with `typed/2`, or give the option :outputs"
  end

  defp counted(%{sections: sections, indices: indices}, _, attributes),
    do: attributes[sections] || length(attributes[indices] || []) + 1

  defp counted(%{flags: flags}, _, attributes), do: 1 + Enum.count(flags, &attributes[&1])

  defp counted(%{size_along: axis}, [%{type: {_, shape}}], attributes)
       when tuple_size(shape) > 0,
       do: elem(shape, Integer.mod(attributes[axis], tuple_size(shape)))

  defp counted(%{size_along: _}, _, _), do: nil

  defp counted(%{attribute: name} = rule, _, attributes) do
    if attributes[name] == rule.equals, do: rule.count, else: rule.otherwise
  end

  # Numbers take the dtype of the values beside them, but positions are integers.
  defp constants_beside(operands, row) do
    beside =
      Enum.find_value(operands, fn operand ->
        with %Value{type: {dtype, _}} <- operand, do: dtype, else: (_ -> nil)
      end)

    for {operand, place} <- Enum.with_index(operands) do
      case operand do
        nil -> nil
        %Value{} = value -> value
        %Tensor{} = tensor -> Constant.add(tensor)
        literal -> Constant.add(literal, literal_dtype(literal, beside, index?(row, place)))
      end
    end
  end

  # The last operand of a row may stand for any number.
  defp index?(row, place), do: min(place, length(row.operands) - 1) in row.indices

  defp literal_dtype(_literal, _beside, true), do: :int32
  defp literal_dtype(literal, beside, false), do: dtype_for(literal, beside)

  defp dtype_for(literal, beside) do
    literals = List.flatten([literal])

    cond do
      Enum.any?(literals, &is_tuple/1) -> :complex64
      Enum.all?(literals, &is_boolean/1) -> :bool
      Enum.all?(literals, &is_integer/1) -> if beside in [nil, :bool], do: :int32, else: beside
      beside in [:float16, :bfloat16, :float32, :float64, :complex64] -> beside
      true -> :float32
    end
  end
end
