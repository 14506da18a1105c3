defmodule Davit.Graph.Parameters do
  @moduledoc false
  # The parameters of a graph as `Davit.Graph.build/3` takes them: types, or names with types.

  alias Davit.Type

  # As long as the engine takes it.
  @max_bytes 4096

  @doc "The names, nil where there are none, and the types. Raises `ArgumentError`."
  @spec split!([Davit.Graph.parameter()]) :: {[String.t()] | nil, [Type.t()]}
  def split!(parameters) do
    {names, types} = parameters |> Enum.map(&parameter!/1) |> Enum.unzip()

    cond do
      Enum.all?(names, &is_nil/1) ->
        {nil, types}

      index = Enum.find_index(names, &is_nil/1) ->
        raise ArgumentError,
              "parameter #{index} has no name, and others have; expected names for all or for none"

      true ->
        {unique!(names), types}
    end
  end

  # A type is a pair as well, but its second item is a shape: no dtype begins it.
  defp parameter!({name, {dtype, shape}})
       when (is_atom(dtype) or is_tuple(dtype)) and (is_tuple(shape) or is_list(shape)),
       do: {name!(name), Type.new!(dtype, shape)}

  defp parameter!({dtype, shape}), do: {nil, Type.new!(dtype, shape)}

  defp parameter!(other) do
    raise ArgumentError,
          "expected the type of a parameter, {dtype, shape}, or {name, {dtype, shape}}, " <>
            "got #{Davit.Show.show(other)}"
  end

  defp name!(name) when is_atom(name) and name != nil, do: name |> Atom.to_string() |> name!()

  defp name!(name) when is_binary(name) and name != "" and byte_size(name) <= @max_bytes do
    String.valid?(name) || raise ArgumentError, "a parameter's name is UTF-8, got #{inspect(name)}"
    name
  end

  defp name!(name) do
    raise ArgumentError,
          "a parameter's name is an atom or a string of 1 to #{@max_bytes} bytes, got #{Davit.Show.show(name)}"
  end

  defp unique!(names) do
    case names -- Enum.uniq(names) do
      [] -> names
      [name | _] -> raise ArgumentError, "two parameters are named #{inspect(name)}"
    end
  end

  @doc "A function of the graph with the names."
  @spec name(map, [String.t()] | nil) :: map
  def name(function, nil), do: function
  def name(function, names), do: Map.put(function, :parameter_names, names)
end
