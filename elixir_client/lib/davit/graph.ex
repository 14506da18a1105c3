defmodule Davit.Graph do
  @moduledoc """
  Builds the graphs that an engine runs.

      iex> alias Davit.Graph, as: G
      iex> graph = G.build([{:float32, {16}}], fn x -> x |> G.add(1) |> G.hook("h") |> G.sum() end)
      iex> for node <- hd(graph.functions).nodes, do: node.op
      ["constant", "add", "custom_call.hook", "sum"]

  Every op of the table (docs/ops.md) is a function here: its operands, then its attributes as a keyword list,
  with `.` in its name as `_` (`random.normal` is `random_normal`). An op with any number of operands takes a list. An
  operand may be a number or a nested list, which becomes a constant of the dtype of the operand beside it.
  Further options of each: `:label`, the name that errors and hooks show; `:outputs`, how many values
  it gives, where attributes decide that and it cannot be told here.

  A graph is built in the process that calls `build/3`; nodes stand in the order of the calls. So a hook on a
  value that is not used any further is still there.

  Functions that are given to `cond/3`, `switch/2`, `while/3` and `for_loop/3` may use values from around them. Those
  need types that are known here; where one is not, state it with `typed/2`.
  """

  alias Davit.Graph.{
    Canonical,
    Check,
    Control,
    CustomCall,
    Infer,
    OpDocs,
    OpTable,
    Parameters,
    Scope,
    Value
  }

  alias Davit.{Tensor, Type}
  alias Davit.Tensor.Elements

  @inline_constant 1024
  @constants {__MODULE__, :constants}

  @enforce_keys [:functions]
  defstruct [:functions, constants: %{}, handlers: []]

  @typedoc """
  `constants` holds, by hash in hex, those constants that are too large to be part of the graph; `handlers` the
  functions that hooks and calls were given.
  """
  @type t :: %__MODULE__{
          functions: [map],
          constants: %{String.t() => {Type.t(), binary}},
          handlers: [handler]
        }

  @typedoc "Where the values of a hook or callback go: to those who ask for a name, or to a function."
  @type target :: String.t() | (Davit.Hooks.Event.t() -> term)

  @typedoc "A function that was given for a node, by the node's id."
  @type handler :: {:hook | :callback, Davit.Hooks.Id.t(), (Davit.Hooks.Event.t() -> term)}
  @type operand :: Value.t() | Tensor.t() | Tensor.nested()
  @type container :: Value.t() | tuple | [Value.t()]
  @type parameter :: Type.form() | {atom | String.t(), Type.form()}

  @doc """
  Builds a graph with parameters of the types. `fun` gets one value for each, and returns the results: a
  value, or a tuple or list of them. Option: `:name`, default `"main"`.

  Parameters may have names, all or none: `davit inspect` shows them, and `davit run` takes `--input x=x.npy`.

      iex> alias Davit.Graph, as: G
      iex> graph = G.build([x: {:float32, {16}}, w: {:float32, {16}}], fn x, w -> G.multiply(x, w) end)
      iex> hd(graph.functions).parameter_names
      ["x", "w"]
  """
  @spec build([parameter], (... -> container), keyword) :: t
  def build(parameters, fun, options \\ [])
      when is_list(parameters) and is_function(fun, length(parameters)) do
    {names, types} = Parameters.split!(parameters)
    outer = Process.put(@constants, %{})

    try do
      {{_, scope, results}, handlers} =
        CustomCall.collect(fn ->
          Control.build(Keyword.get(options, :name, "main"), types, &Kernel.apply(fun, &1))
        end)

      main = scope |> Scope.finish(results, []) |> Parameters.name(names)
      functions = Control.flatten(main)
      constants = Process.get(@constants)
      %__MODULE__{functions: functions, constants: constants, handlers: handlers}
    after
      if outer, do: Process.put(@constants, outer), else: Process.delete(@constants)
    end
  end

  @doc "The graph's canonical bytes: the same for the same graph, in any language."
  @spec to_binary(t) :: binary
  def to_binary(%__MODULE__{functions: functions}),
    do: Canonical.encode(functions, &OpTable.fetch/1)

  @doc "The graph of canonical bytes. Raises `ArgumentError`. Its large constants are not part of the bytes."
  @spec from_binary(binary) :: t
  def from_binary(bytes), do: %__MODULE__{functions: Canonical.decode(bytes, &OpTable.fetch/1)}

  @doc "The SHA-256 of a graph, or of canonical bytes, in hex: the program's name."
  @spec hash(t | binary) :: String.t()
  def hash(%__MODULE__{} = graph), do: graph |> to_binary() |> hash()

  def hash(bytes) when is_binary(bytes),
    do: :crypto.hash(:sha256, bytes) |> Base.encode16(case: :lower)

  @doc """
  Adds any op of the table by its name.

      Davit.Graph.op("softmax", [x], axes: [-1])

  Gives its output; a list of them where an op has several.
  """
  @spec op(String.t(), [operand | nil], keyword) :: Value.t() | [Value.t()]
  def op(name, operands, options \\ []) do
    row = Check.row!(name)
    Check.operands!(name, row, operands)
    {own, given} = Keyword.split(options, [:label, :outputs])
    attributes = Check.attributes!(name, row, given)
    operands = constants_beside(operands, row)
    node = with_label(%{op: name, attributes: attributes}, own[:label])

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

  @doc false
  def with_label(node, nil), do: node

  def with_label(node, label) when is_binary(label) do
    String.valid?(label) || raise ArgumentError, "a label is UTF-8, got #{inspect(label)}"
    Map.put(node, :label, label)
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
        %Tensor{} = tensor -> constant(tensor)
        literal -> constant(literal, literal_dtype(literal, beside, index?(row, place)))
      end
    end
  end

  # The last operand of a row may stand for any number.
  defp index?(row, place), do: Kernel.min(place, length(row.operands) - 1) in row.indices

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

  @doc """
  A constant: a number or nested list with a dtype, or raw bytes with a type.

  Up to #{@inline_constant} bytes it is part of the graph. A larger one is named by its hash, and
  sent beside the graph when that is loaded.
  """
  @spec constant(Tensor.nested() | binary, Type.dtype_form() | Type.form()) :: Value.t()
  def constant(bytes, {_, _} = type) when is_binary(bytes),
    do: constant(Tensor.from_binary_at_home(bytes, type))

  def constant(list, dtype) do
    type = Type.new!(dtype, Elements.shape(list))
    constant(%Tensor{type: type, data: Elements.encode(list, type)})
  end

  @doc "As `constant/2`, with the type and values of a tensor whose values are in this VM."
  @spec constant(Tensor.t()) :: Value.t()
  def constant(%Tensor{data: nil} = tensor) do
    raise ArgumentError,
          "#{inspect(tensor)} cannot be a constant: its values are in an engine; make it a parameter"
  end

  def constant(%Tensor{type: {dtype, shape} = type, data: bytes}) do
    attributes = %{"dtype" => Atom.to_string(dtype), "shape" => Tuple.to_list(shape)}

    {op, attributes} =
      if byte_size(bytes) <= @inline_constant do
        {"constant", Map.put(attributes, "data", bytes)}
      else
        hash = :crypto.hash(:sha256, bytes)
        name = Base.encode16(hash, case: :lower)
        constants = Process.get(@constants, %{})
        Process.put(@constants, Map.put(constants, name, {type, bytes}))
        {"constant_by_hash", Map.put(attributes, "hash", hash)}
      end

    [value] = Scope.add(%{op: op, attributes: attributes}, [], [type])
    value
  end

  @doc """
  A value with a name, to which a tensor is bound when the graph is loaded:
  `Davit.load(graph, externals: %{"w" => tensor})`.

  The graph's hash does not depend on that tensor.
  """
  @spec external(String.t(), Type.form()) :: Value.t()
  def external(name, {dtype, shape}) when is_binary(name) do
    {dtype, shape} = type = Type.new!(dtype, shape)
    name != "" || raise ArgumentError, "the name of an external is empty; expected a name"
    type_attributes = %{"dtype" => Atom.to_string(dtype), "shape" => Tuple.to_list(shape)}
    node = %{op: "external", attributes: Map.put(type_attributes, "name", name)}
    [value] = Scope.add(node, [], [type])
    value
  end

  @doc "The same value, whose type is stated to be this one. It is the engine that checks it."
  @spec typed(Value.t(), Type.form()) :: Value.t()
  def typed(%Value{} = value, {dtype, shape}), do: %{value | type: Type.new!(dtype, shape)}

  @doc "Labels the node that made a value, such as `encoder.3.attention`."
  @spec label(Value.t(), String.t()) :: Value.t()
  def label(%Value{} = value, label) do
    %{label: label} = with_label(%{}, label)
    Scope.label(value, label)
    value
  end

  @doc """
  Streams a value, or a tuple or list of them, to every subscriber. Returns the same.

  The target is a name; or a function of a `Davit.Hooks.Event`, which every `Davit.run/3` of this graph calls in the
  process that runs it. `&Mod.fun/1` has an id that is the same everywhere; any other function gets a slot of the
  program, and is known to what `Davit.load/2` gives for this very graph, not to its bytes.

  Options: `:label`; `:to`, a value of the graph that says at run time which process gets
  `{:davit_hook, name, event}`, see `Davit.Hooks.to/1`.
  """
  @spec hook(container, target, keyword) :: container
  def hook(container, target, options \\ []), do: CustomCall.hook(container, target, options)

  @doc """
  Prints a value, or a tuple or list of them, where the caller of the run prints. Returns the same.
  Options: `:label`, `:precision` (significant digits), `:limit` (elements shown).
  """
  @spec print(container, String.t(), keyword) :: container
  def print(container, name \\ "print", options \\ []),
    do: CustomCall.print(container, name, options)

  @doc """
  Passes a value, or a tuple or list of them, to a handler, and waits for what it returns: one value of the type, or a
  list of values if `types` is a list. Option: `:label`.

  The target is a name, whose handler the option `:callbacks` of `Davit.run/3` gives; or a function of a
  `Davit.Hooks.Event`, as in `hook/3`.
  """
  @spec callback(container, target, Type.form() | [Type.form()], keyword) ::
          Value.t() | [Value.t()]
  def callback(container, target, types, options \\ []),
    do: CustomCall.callback(container, target, types, options)

  @doc """
  The results of `then` where the predicate, a bool scalar, is true, and those of `otherwise` where not. Only
  that branch is computed. Both return the same number of values, of the same types.
  """
  @spec cond(Value.t(), (() -> container), (() -> container)) :: container
  def cond(%Value{} = predicate, then, otherwise)
      when is_function(then, 0) and is_function(otherwise, 0) do
    branches = [{"then", branch("then", then)}, {"else", branch("else", otherwise)}]
    branches("cond", branches, predicate)
  end

  @doc "The results of the branch that has the index's number, clamped to the first and the last."
  @spec switch(Value.t(), [(() -> container)]) :: container
  def switch(%Value{} = index, [_ | _] = functions) do
    branches =
      for {function, number} <- Enum.with_index(functions),
          do: {{"branches", number}, branch("branch#{number}", function)}

    branches("switch", branches, index)
  end

  defp branch(name, function), do: Control.build(name, [], fn [] -> function.() end)

  defp branches(op, [{_, {container, _, _}} | rest] = branches, operand) do
    values = Control.values(container)

    for {_, {other, _, _}} <- rest, length(Control.values(other)) != length(values) do
      raise ArgumentError,
            "the branches of #{op} give #{length(values)} and #{length(Control.values(other))} values"
    end

    types = Enum.map(values, & &1.type)
    op |> Control.node(%{}, branches, [operand], types) |> Control.pack(container)
  end

  @doc """
  Repeats `body` while `predicate` gives true. Both get the carries, `initial` at first; the body returns
  the next ones, as many and of the same types. Gives the last ones.
  """
  @spec while(container, (... -> Value.t()), (... -> container)) :: container
  def while(initial, predicate, body) do
    carries = Control.values(initial)
    types = Control.types!(carries)
    predicate = Control.build("predicate", types, &Kernel.apply(predicate, &1))
    body = body!(Control.build("body", types, &Kernel.apply(body, &1)), carries)
    functions = [{"predicate", predicate}, {"body", body}]
    "while" |> Control.node(%{}, functions, carries, types) |> Control.pack(initial)
  end

  # The table's `repeat` is MLX's, which repeats elements.
  @doc """
  Repeats `body` so many times: an integer, or a value. It gets the iteration, an int32 from 0, and the
  carries; it returns the next carries. Gives the last ones.
  """
  @spec for_loop(non_neg_integer | Value.t(), container, (... -> container)) :: container
  def for_loop(count, initial, body) do
    carries = Control.values(initial)
    types = Control.types!(carries)
    body = body!(Control.build("body", [{:int32, {}} | types], &Kernel.apply(body, &1)), carries)

    {attributes, operands} =
      case count do
        %Value{} -> {%{}, [count | carries]}
        count when is_integer(count) -> {%{"count" => count}, carries}
      end

    "for" |> Control.node(attributes, [{"body", body}], operands, types) |> Control.pack(initial)
  end

  defp body!({returned, _, results} = body, carries) do
    if length(results) != length(carries) do
      raise ArgumentError,
            "a loop has #{length(carries)} carries, but its body returned #{length(Control.values(returned))}"
    end

    body
  end

  @doc "Calls a function that is part of the graph under this name; it gets the values and returns its results."
  @spec call([Value.t()], String.t(), (... -> container)) :: container
  def call(values, name, function) do
    built = Control.build(name, Control.types!(values), &Kernel.apply(function, &1))
    {container, _, _} = built
    types = container |> Control.values() |> Enum.map(& &1.type)
    "call" |> Control.node(%{}, [{"function", built}], values, types) |> Control.pack(container)
  end

  # Absent operands at the end are left out; one before a given one is nil.
  defp given(names, operands) do
    names
    |> Enum.map(&operands[&1])
    |> Enum.reverse()
    |> Enum.drop_while(&is_nil/1)
    |> Enum.reverse()
  end

  for {name, row} <- Enum.sort(OpTable.ops()), not row.structural do
    function = name |> String.replace(".", "_") |> String.to_atom()

    given =
      for operand <- row.operands,
          do: operand |> String.trim_trailing("?") |> String.trim_leading(".")

    returned = if row.outputs == 1, do: quote(do: Value.t()), else: quote(do: [Value.t()])

    @doc op: name
    @doc OpDocs.fetch!(name)
    if row.max == nil do
      @spec unquote(function)([operand], keyword) :: unquote(returned)
      def unquote(function)(operands, options \\ []) when is_list(operands),
        do: op(unquote(name), operands, options)
    else
      # Optional operands are left out by nil.
      required = for operand <- given, do: Macro.var(String.to_atom(operand), __MODULE__)
      {needed, optional} = Enum.split(required, row.min)
      types = List.duplicate(quote(do: operand), length(needed))
      operand_types = types ++ List.duplicate(quote(do: operand | nil), length(optional))

      if optional == [] do
        @spec unquote(function)(unquote_splicing(operand_types), keyword) :: unquote(returned)
        def unquote(function)(unquote_splicing(required), options \\ []),
          do: op(unquote(name), [unquote_splicing(required)], options)
      else
        # The optional operands are options of the same name.
        names = for {operand, _, _} <- optional, do: operand
        @spec unquote(function)(unquote_splicing(types), keyword) :: unquote(returned)
        def unquote(function)(unquote_splicing(needed), options \\ []) do
          {optional, options} = Keyword.split(options, unquote(names))
          op(unquote(name), [unquote_splicing(needed)] ++ given(unquote(names), optional), options)
        end
      end
    end
  end
end
