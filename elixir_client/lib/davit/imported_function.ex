defmodule Davit.ImportedFunction do
  @moduledoc """
  A function that MLX exported to a .mlxfn file, for example from Python: docs/mlxfn.md.

      f = Davit.import_function("classify.mlxfn")
      [probabilities] = Davit.ImportedFunction.run(f, [x], [temperature: 0.7])

    * `path`: the file;
    * `version`: the version of MLX that wrote it;
    * `metadata`: the text that was exported with it;
    * `shapeless`: whether it was exported for inputs of any sizes. Davit runs it at the sizes of its traces;
    * `traces`: for each trace the names of its keywords, and its program. The nodes of a program are labelled by their op and a
      number, as `matmul.0`: hooks match them as `{:probe, "matmul.*"}`.

  Constants stay in the file until a run needs them. A file of an engine that was started again has to be imported again.
  """

  alias Davit.{EngineError, Program, Tensor, Type}
  alias Davit.Engine.{Lookup, Request}

  @enforce_keys [:path, :version, :metadata, :shapeless, :traces]
  defstruct [:path, :version, :metadata, :shapeless, :traces]

  @type t :: %__MODULE__{
          path: Path.t(),
          version: String.t(),
          metadata: String.t(),
          shapeless: boolean,
          traces: [%{keywords: [String.t()], program: Program.t()}]
        }

  @doc false
  @spec open(Path.t(), keyword) :: t
  def open(path, options) do
    Davit.Options.check!(options, [:engine])
    session = Lookup.session_for!(options)
    path = Path.expand(path)

    case Request.call(session, ["open_function", path]) do
      {:ok, %{"traces" => traces} = answer, graphs} ->
        %__MODULE__{
          path: path,
          version: :binary.copy(answer["version"]),
          metadata: :binary.copy(answer["metadata"]),
          shapeless: answer["shapeless"],
          traces: load_all(traces, Tuple.to_list(graphs), path, options)
        }

      {:error, error} ->
        raise error
    end
  end

  # A constant of several traces is one tensor.
  defp load_all(traces, graphs, path, options) do
    names = traces |> Enum.flat_map(& &1["constants"]) |> Enum.uniq()
    constants = if names == [], do: %{}, else: Davit.open_file(path, names, options)

    Enum.zip_with(traces, graphs, fn %{"keywords" => keywords} = trace, graph ->
      externals = Map.take(constants, trace["constants"])
      program = Davit.load(:binary.copy(graph), [externals: externals] ++ options)
      %{keywords: Enum.map(keywords, &:binary.copy/1), program: program}
    end)
  end

  @doc """
  Runs the trace that the inputs are for. `inputs` are those by position, `keywords` those by name. An input is a `Davit.Tensor`,
  or what one is made of: a number, a list, a binary. Options are those of `Davit.run/3`.

  Raises `Davit.EngineError` with the code `:input_type_invalid` if there is no such trace; the message lists the signatures.
  """
  @spec run(t, [term], Enumerable.t({atom | String.t(), term}), keyword) :: [Tensor.t()]
  def run(%__MODULE__{traces: traces} = function, inputs, keywords \\ [], options \\ []) do
    keywords = Map.new(keywords, fn {name, value} -> {to_string(name), value} end)

    case Enum.find_value(traces, &arguments(&1, inputs, keywords)) do
      {program, arguments} ->
        Davit.run(program, arguments, options)

      nil ->
        raise %EngineError{code: :input_type_invalid, message: refusal(function, inputs, keywords)}
    end
  end

  # The program of a trace with its inputs, where they are those that it takes.
  defp arguments(%{keywords: names, program: program}, inputs, keywords) do
    if Enum.sort(names) == Enum.sort(Map.keys(keywords)) do
      given = inputs ++ Enum.map(names, &Map.fetch!(keywords, &1))

      if length(given) == length(program.inputs) and
           given |> Enum.zip(program.inputs) |> Enum.all?(&fits?/1),
         do: {program, given}
    end
  end

  defp fits?({%Tensor{type: type}, wanted}), do: type == wanted
  defp fits?({binary, type}) when is_binary(binary), do: byte_size(binary) == Type.byte_size(type)
  defp fits?({value, {_, shape}}), do: shape(value) == Tuple.to_list(shape)

  defp shape([first | _] = list), do: [length(list) | shape(first)]
  defp shape([]), do: [0]
  defp shape(_number), do: []

  defp refusal(%{path: path, traces: traces}, inputs, keywords) do
    given =
      Enum.map(inputs, &describe/1) ++
        for({name, value} <- keywords, do: "#{name}: #{describe(value)}")

    known = for trace <- traces, do: "\n  " <> signature(trace)
    "#{path} has no trace for (#{Enum.join(given, ", ")}), expected one of#{known}"
  end

  defp describe(%Tensor{type: type}), do: Type.format(type)
  defp describe(binary) when is_binary(binary), do: "#{byte_size(binary)} bytes"
  defp describe(value), do: "values of the shape #{inspect(shape(value))}"

  @doc """
  Returns a trace's signature: `(f32[3][4], temperature: f32) -> f32[3][2]`.
  """
  @spec signature(%{keywords: [String.t()], program: Program.t()}) :: String.t()
  def signature(%{keywords: keywords, program: program}) do
    {positions, named} = Enum.split(program.inputs, length(program.inputs) - length(keywords))

    inputs =
      for part <- [Type.format_all(positions), Type.format_all(named, keywords)],
          part != "",
          do: part

    "(#{Enum.join(inputs, ", ")}) -> #{Type.format_all(program.outputs)}"
  end
end
