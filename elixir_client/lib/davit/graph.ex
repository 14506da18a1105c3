defmodule Davit.Graph do
  @moduledoc """
  Builds the graphs that an engine runs.

      iex> alias Davit.Graph, as: G
      iex> graph = G.build([{:f32, {16}}], fn x -> x |> G.add(1) |> G.hook("h") |> G.sum() end)
      iex> for node <- hd(graph.functions).nodes, do: node.op
      ["constant", "add", "custom_call.hook", "sum"]

  Every op has a function, which takes the operands and then the attributes as options. A `.` in an op's name is a `_`
  here: `random.normal` is `random_normal/2`. An op with any number of operands takes them as a list. An operand may be a
  number or a nested list. It becomes a constant of the dtype of the other operands.

  All ops also take two options: `:label`, the label of the node, which errors and probes use; and `:outputs`, the number
  of values that the op returns, for ops where it depends on a type that is not known while the graph is built.

  A graph is built in the process that calls `build/3`. Its nodes are in the order of the calls, so a hook is part of the
  graph even if nothing uses its value.

  The functions that `cond/3`, `switch/2`, `while/3` and `for_loop/3` take may use values from around them. The types of
  these values have to be known while the graph is built; `typed/2` states a type.
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
  `constants` has the constants that are too large to be part of the graph's bytes, by their hash in hex; `handlers` the
  functions of hooks and callbacks.
  """
  @type t :: %__MODULE__{
          functions: [map],
          constants: %{String.t() => {Type.t(), binary}},
          handlers: [handler]
        }

  @typedoc "Who gets the values of a hook or callback: those who ask for a name, or a function."
  @type target :: String.t() | (Davit.Hooks.Event.t() -> term)

  @typedoc "A function of a hook or callback, with the id of the node."
  @type handler :: {:hook | :callback, Davit.Hooks.Id.t(), (Davit.Hooks.Event.t() -> term)}
  @type operand :: Value.t() | Tensor.t() | Tensor.nested()
  @type container :: Value.t() | tuple | [Value.t()]
  @type parameter :: Type.form() | {atom | String.t(), Type.form()}

  @doc """
  Builds a graph with parameters of the types. `fun` is called with one value for each parameter and returns the results:
  a value, or a tuple or list of values. Option: `:name`, the name of the function in the graph, default `"main"`.

  Either all parameters have names or none has one. With names, `Davit.run/3` takes inputs by name, and so does
  `davit run --input x=x.npy`.

      iex> alias Davit.Graph, as: G
      iex> graph = G.build([x: {:f32, {16}}, w: {:f32, {16}}], fn x, w -> G.multiply(x, w) end)
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

  @doc "Returns the canonical bytes of a graph. They are the same for the same graph in every language."
  @spec to_binary(t) :: binary
  def to_binary(%__MODULE__{functions: functions}),
    do: Canonical.encode(functions, &OpTable.fetch/1)

  @doc """
  Returns the graph of canonical bytes. Raises `ArgumentError` if they are invalid. The bytes do not contain large constants
  and functions of hooks.
  """
  @spec from_binary(binary) :: t
  def from_binary(bytes), do: %__MODULE__{functions: Canonical.decode(bytes, &OpTable.fetch/1)}

  @doc "Returns the SHA-256 of a graph or of its canonical bytes, in hex. It names the program."
  @spec hash(t | binary) :: String.t()
  def hash(%__MODULE__{} = graph), do: graph |> to_binary() |> hash()

  def hash(bytes) when is_binary(bytes),
    do: :crypto.hash(:sha256, bytes) |> Base.encode16(case: :lower)

  @doc """
  Adds an op by its name.

      Davit.Graph.op("softmax", [x], axes: [-1])

  Returns the output, or a list of outputs if the op has several.
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
  Adds a constant: a number or nested list with a dtype, or raw bytes with a type.

  A constant of up to #{@inline_constant} bytes is part of the graph's bytes. A larger one is named in them by its hash, and
  `Davit.load/2` sends it with the graph.
  """
  @spec constant(Tensor.nested() | binary, Type.dtype_form() | Type.form()) :: Value.t()
  def constant(bytes, {_, _} = type) when is_binary(bytes),
    do: constant(Tensor.from_binary_in_vm(bytes, type))

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
  Adds a value with a name. A tensor is bound to it when the graph is loaded:
  `Davit.load(graph, externals: %{"w" => tensor})`.

  The hash of the graph does not depend on the tensor.
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

  @doc "Returns the same value with a type that the caller states. The engine checks it when the graph is loaded."
  @spec typed(Value.t(), Type.form()) :: Value.t()
  def typed(%Value{} = value, {dtype, shape}), do: %{value | type: Type.new!(dtype, shape)}

  @doc "Labels the node of a value, for example `encoder.3.attention`. Returns the value."
  @spec label(Value.t(), String.t()) :: Value.t()
  def label(%Value{} = value, label) do
    %{label: label} = with_label(%{}, label)
    Scope.label(value, label)
    value
  end

  @doc """
  Hooks a value, or a tuple or list of values, and returns it unchanged. Each time the program computes it, the target
  gets it.

  The target is a name, for which processes subscribe (`Davit.Hooks.subscribe/2`, the option `:hooks` of `Davit.run/3`); or
  a function of a `Davit.Hooks.Event`, which is called by the process that runs the program. The bytes of a graph hold no
  function: a function is known only to programs that were loaded from this very graph. `&Mod.fun/1` also has an id, by
  which others can subscribe.

  Options:

    * `:label`: the label of the node;
    * `:to`: a value of the graph that holds a process, see `Davit.Hooks.to/1`. The process gets
      `{:davit_hook, name, event}`.
  """
  @spec hook(container, target, keyword) :: container
  def hook(container, target, options \\ []), do: CustomCall.hook(container, target, options)

  @doc """
  Prints a value, or a tuple or list of values, and returns it unchanged. The process that runs the program prints it, to
  its group leader, with the name before it.

  Options: `:label`, the label of the node; `:precision`, how many significant digits are shown; `:limit`, how many elements.
  """
  @spec print(container, String.t(), keyword) :: container
  def print(container, name \\ "print", options \\ []),
    do: CustomCall.print(container, name, options)

  @doc """
  Passes a value, or a tuple or list of values, to a handler, and returns what the handler returns: a value of the type,
  or a list of values if `types` is a list. The run waits for it.

  The target is a name, whose handler is in the option `:callbacks` of `Davit.run/3`; or a function of a
  `Davit.Hooks.Event`, as in `hook/3`. Option: `:label`, the label of the node.
  """
  @spec callback(container, target, Type.form() | [Type.form()], keyword) ::
          Value.t() | [Value.t()]
  def callback(container, target, types, options \\ []),
    do: CustomCall.callback(container, target, types, options)

  @doc """
  Returns the results of `then` if the predicate, a bool scalar, is true, and those of `otherwise` if it is false. Only one
  of the branches is computed. Both return the same number of values, of the same types.
  """
  @spec cond(Value.t(), (() -> container), (() -> container)) :: container
  def cond(%Value{} = predicate, then, otherwise)
      when is_function(then, 0) and is_function(otherwise, 0) do
    branches = [{"then", branch("then", then)}, {"else", branch("else", otherwise)}]
    branches("cond", branches, predicate)
  end

  @doc """
  Returns the results of the branch with the number `index`, counted from 0. An index below 0 selects the first branch, one
  beyond the end the last.
  """
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
  Repeats `body` while `predicate` returns true, and returns the last carries. Both functions are called with the carries,
  which are `initial` at first. The body returns the next carries, of the same number and types.
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
  Repeats `body` `count` times, an integer or a value, and returns the last carries. The body is called with the number of
  the iteration, an s32 from 0, and the carries, which are `initial` at first. It returns the next carries.
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

  @doc """
  Calls a function with a value, or a tuple or list of values, and returns its results. The function becomes a function of
  the graph with this name.
  """
  @spec call(container, String.t(), (... -> container)) :: container
  def call(container, name, function) do
    values = Control.values(container)
    built = Control.build(name, Control.types!(values), &Kernel.apply(function, &1))
    {returned, _, _} = built
    types = returned |> Control.values() |> Enum.map(& &1.type)
    "call" |> Control.node(%{}, [{"function", built}], values, types) |> Control.pack(returned)
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
