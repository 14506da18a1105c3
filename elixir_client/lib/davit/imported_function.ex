defmodule Davit.ImportedFunction do
  @moduledoc """
  A function that MLX exported to a .mlxfn file, for example from Python: docs/mlxfn.md.

      f = Davit.import_function("classify.mlxfn")
      [probabilities] = Davit.ImportedFunction.run(f, [x], [temperature: 0.7])

    * `path`: the file;
    * `version`: the version of MLX that wrote it;
    * `metadata`: the text that was exported with it;
    * `shapeless`: whether it was exported for inputs of any sizes;
    * `traces`: for each trace the names of its keywords, and its program. The nodes of a program are labelled by their op and a
      number, as `matmul.0`: hooks match them as `{:probe, "matmul.*"}`.

  Constants stay in the file until a run needs them. A file of an engine that was started again has to be imported again.
  """

  alias Davit.{EngineError, Program, Tensor, Type}
  alias Davit.Engine.{Lookup, Request}

  @enforce_keys [:path, :version, :metadata, :shapeless, :traces, :constants]
  defstruct [:path, :version, :metadata, :shapeless, :traces, :constants, exported: 0]

  @typedoc "`constants` and `exported`, the number of traces in the file, are for this module."
  @type t :: %__MODULE__{
          path: Path.t(),
          version: String.t(),
          metadata: String.t(),
          shapeless: boolean,
          traces: [trace],
          constants: %{String.t() => Tensor.t()},
          exported: non_neg_integer
        }

  @type trace :: %{keywords: [String.t()], program: Program.t()}

  @doc false
  @spec open(Path.t(), keyword) :: t
  def open(path, options) do
    Davit.Options.check!(options, [:engine])
    session = Lookup.session_for!(options)
    path = Path.expand(path)

    {answer, graphs} = request(session, [path])
    traces = answer["traces"]
    # A constant of several traces is one tensor.
    names = traces |> Enum.flat_map(& &1["constants"]) |> Enum.uniq()
    constants = if names == [], do: %{}, else: Davit.open_file(path, names, options)

    %__MODULE__{
      path: path,
      version: :binary.copy(answer["version"]),
      metadata: :binary.copy(answer["metadata"]),
      shapeless: answer["shapeless"],
      traces: Enum.zip_with(traces, graphs, &load(&1, &2, constants, options)),
      constants: constants,
      exported: length(traces)
    }
  end

  defp request(session, arguments) do
    case Request.call(session, ["open_function" | arguments]) do
      {:ok, answer, graphs} -> {answer, Tuple.to_list(graphs)}
      {:error, error} -> raise error
    end
  end

  defp load(%{"keywords" => keywords, "constants" => names}, graph, constants, options) do
    externals = Map.take(constants, names)
    program = Davit.load(:binary.copy(graph), [externals: externals] ++ options)
    %{keywords: Enum.map(keywords, &:binary.copy/1), program: program}
  end

  @doc """
  Runs the trace that the inputs are for. `inputs` are those by position, `keywords` those by name. An input is a `Davit.Tensor`,
  or what one is made of: a number, a list, a binary. Options are those of `Davit.run/3`.

  A function that is `shapeless` takes inputs of other sizes too: the program for them is made for this run, unless `specialize/3` has.

  Raises `Davit.EngineError` with the code `:input_type_invalid` if there is no such trace; the message lists the signatures.
  """
  @spec run(t, [term], Enumerable.t({atom | String.t(), term}), keyword) :: [Tensor.t()]
  def run(%__MODULE__{} = function, inputs, keywords \\ [], options \\ []) do
    keywords = named(keywords)

    {%{program: program}, arguments} =
      find(function.traces, &fits?/1, inputs, keywords) ||
        at_sizes!(function, inputs, keywords)

    Davit.run(program, arguments, options)
  end

  @doc """
  Returns the function with a program for inputs of these sizes, for a function that is `shapeless` and runs with them often.

      f = Davit.ImportedFunction.specialize(f, [x], temperature: 1.0)

  Raises `Davit.EngineError` where the function, or an op in it, does not take such inputs.
  """
  @spec specialize(t, [term], Enumerable.t({atom | String.t(), term})) :: t
  def specialize(%__MODULE__{} = function, inputs, keywords \\ []) do
    keywords = named(keywords)

    if find(function.traces, &fits?/1, inputs, keywords) do
      function
    else
      {trace, _} = at_sizes!(function, inputs, keywords)
      %{function | traces: function.traces ++ [trace]}
    end
  end

  defp named(keywords), do: Map.new(keywords, fn {name, value} -> {to_string(name), value} end)

  # The first trace whose inputs these are, and they in its order.
  defp find(traces, fits?, inputs, keywords) do
    Enum.find_value(traces, fn %{keywords: names, program: program} = trace ->
      if Enum.sort(names) == Enum.sort(Map.keys(keywords)) do
        given = inputs ++ Enum.map(names, &Map.fetch!(keywords, &1))

        if length(given) == length(program.inputs) and
             given |> Enum.zip(program.inputs) |> Enum.all?(fits?),
           do: {trace, given}
      end
    end)
  end

  # A trace for inputs of sizes that no other one has.
  defp at_sizes!(%{shapeless: shapeless, traces: traces} = function, inputs, keywords) do
    exported = Enum.take(traces, function.exported)

    with true <- shapeless,
         {%{program: %{engine: engine, inputs: types}} = trace, given} <-
           find(exported, &fits_rank?/1, inputs, keywords) do
      sizes = Enum.zip_with(given, types, &Type.to_wire(type_of(&1, &2)))
      index = Enum.find_index(exported, &(&1 == trace))
      session = Lookup.session_for!(engine: engine)
      {%{"traces" => [answer]}, [graph]} = request(session, [function.path, [index, sizes]])
      {load(answer, graph, function.constants, engine: engine), given}
    else
      _ ->
        message = refusal(function, inputs, keywords)
        raise %EngineError{code: :input_type_invalid, message: message}
    end
  end

  defp fits?({%Tensor{type: type}, wanted}), do: type == wanted
  defp fits?({binary, type}) when is_binary(binary), do: byte_size(binary) == Type.byte_size(type)
  defp fits?({value, {_, shape}}), do: shape(value) == Tuple.to_list(shape)

  # A binary does not say which sizes it has.
  defp fits_rank?({binary, type}) when is_binary(binary), do: fits?({binary, type})

  defp fits_rank?({value, {dtype, shape} = wanted}) do
    {given, sizes} = type_of(value, wanted)
    given == dtype and tuple_size(sizes) == tuple_size(shape)
  end

  defp type_of(%Tensor{type: type}, _), do: type
  defp type_of(binary, type) when is_binary(binary), do: type
  defp type_of(value, {dtype, _}), do: {dtype, List.to_tuple(shape(value))}

  defp shape([first | _] = list), do: [length(list) | shape(first)]
  defp shape([]), do: [0]
  defp shape(_number), do: []

  defp refusal(%{path: path, traces: traces, shapeless: shapeless}, inputs, keywords) do
    given =
      Enum.map(inputs, &describe/1) ++
        for({name, value} <- keywords, do: "#{name}: #{describe(value)}")

    known = for trace <- traces, do: "\n  " <> signature(trace)

    "#{path} has no trace for (#{Enum.join(given, ", ")}), expected one of#{if shapeless, do: " these, with any sizes:"}#{known}"
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
