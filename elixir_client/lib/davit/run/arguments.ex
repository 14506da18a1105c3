defmodule Davit.Run.Arguments do
  @moduledoc false
  # Brings the inputs of a run, which a caller gives in order or by the names of the program's parameters, into order.

  alias Davit.{Program, Type}
  alias Davit.Run.Inputs

  # Atoms that are numbers: a pair that begins with one is a complex number, not a name and a value.
  @numbers [:nan, :infinity, :neg_infinity]

  @type t :: Davit.inputs()

  defguardp is_name(name) when (is_atom(name) and name not in @numbers) or is_binary(name)

  @doc "Returns the inputs in the order of the program's parameters. Raises `ArgumentError`."
  @spec in_order!(t, Program.t()) :: [Inputs.input()]
  def in_order!([{name, _} | _] = inputs, program) when is_name(name), do: by_name!(inputs, program)
  def in_order!(inputs, _program) when is_list(inputs), do: inputs

  def in_order!(inputs, program) when is_map(inputs) and not is_struct(inputs),
    do: inputs |> Map.to_list() |> by_name!(program)

  def in_order!(other, _program) do
    raise ArgumentError,
          "expected a list of inputs, or a keyword list or map of them by name, got #{Davit.Show.show(other)}"
  end

  defp by_name!([], %Program{inputs: []}), do: []

  defp by_name!(inputs, %Program{input_names: nil} = program) do
    raise ArgumentError,
          "inputs are given by name (#{names(inputs)}), but #{parameters(program)}, and its parameters have no " <>
            "names; give a list"
  end

  defp by_name!(inputs, %Program{input_names: names} = program) do
    given = Enum.reduce(inputs, %{}, &put!(&1, &2, program))

    for name <- names do
      case given do
        %{^name => input} ->
          input

        _ ->
          raise ArgumentError,
                "there is no value for input #{inspect(name)}; #{parameters(program)}"
      end
    end
  end

  defp put!({name, input}, given, program) when is_atom(name) or is_binary(name) do
    name = to_string(name)

    cond do
      name not in program.input_names ->
        raise ArgumentError, "there is no input #{inspect(name)}; #{parameters(program)}"

      is_map_key(given, name) ->
        raise ArgumentError, "input #{inspect(name)} is given twice"

      true ->
        Map.put(given, name, input)
    end
  end

  defp put!(other, _given, _program) do
    raise ArgumentError,
          "expected every input to be {name, value}, as the first one is, got #{Davit.Show.show(other)}"
  end

  defp names(inputs) do
    names = for {name, _} <- inputs, is_atom(name) or is_binary(name), do: to_string(name)
    Enum.join(names, ", ")
  end

  @doc "Raises `ArgumentError` if the program takes another number of inputs."
  @spec check_count!([Inputs.input()], Program.t()) :: :ok
  def check_count!(inputs, program) do
    length(inputs) == length(program.inputs) ||
      raise ArgumentError, "got #{count(length(inputs))}, but #{parameters(program)}"

    :ok
  end

  @doc "Returns the text that stands for an input in errors, in the engine's wording."
  @spec title(Program.t(), non_neg_integer) :: String.t()
  def title(%Program{input_names: nil}, index), do: "input #{index}"

  def title(%Program{input_names: names}, index),
    do: "input #{index}, #{inspect(Enum.at(names, index))},"

  defp parameters(%Program{inputs: []}), do: "the program takes no inputs"

  defp parameters(%Program{inputs: types, input_names: names}),
    do: "the program takes #{count(length(types))} (#{Type.format_all(types, names)})"

  defp count(1), do: "1 input"
  defp count(n), do: "#{n} inputs"
end
