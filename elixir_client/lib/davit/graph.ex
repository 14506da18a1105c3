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
    Constant,
    Control,
    CustomCall,
    Op,
    OpDocs,
    OpTable,
    Parameters,
    Scope,
    Value
  }

  alias Davit.{Tensor, Type}

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
    name = Keyword.get(options, :name, "main")

    {{{_, scope, results}, handlers}, constants} =
      Constant.collect(fn ->
        CustomCall.collect(fn -> Control.build(name, types, &Kernel.apply(fun, &1)) end)
      end)

    main = scope |> Scope.finish(results, []) |> Parameters.name(names)
    %__MODULE__{functions: Control.flatten(main), constants: constants, handlers: handlers}
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
  def op(name, operands, options \\ []), do: Op.add(name, operands, options)

  @doc """
  Adds a constant: a number or nested list with a dtype, or raw bytes with a type.

  A constant of up to #{Constant.inline_bytes()} bytes is part of the graph's bytes. A larger one is named in them by its hash, and
  `Davit.load/2` sends it with the graph.
  """
  @spec constant(Tensor.nested() | binary, Type.dtype_form() | Type.form()) :: Value.t()
  def constant(bytes, {_, _} = type) when is_binary(bytes),
    do: constant(Tensor.from_binary_in_vm(bytes, type))

  def constant(list, dtype), do: Constant.add(list, dtype)

  @doc "As `constant/2`, with the type and values of a tensor whose values are in this VM."
  @spec constant(Tensor.t()) :: Value.t()
  def constant(%Tensor{} = tensor), do: Constant.add(tensor)

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
    %{label: label} = Scope.with_label(%{}, label)
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
      when is_function(then, 0) and is_function(otherwise, 0),
      do: Control.cond(predicate, then, otherwise)

  @doc """
  Returns the results of the branch with the number `index`, counted from 0. An index below 0 selects the first branch, one
  beyond the end the last.
  """
  @spec switch(Value.t(), [(() -> container)]) :: container
  def switch(%Value{} = index, [_ | _] = functions), do: Control.switch(index, functions)

  @doc """
  Repeats `body` while `predicate` returns true, and returns the last carries. Both functions are called with the carries,
  which are `initial` at first. The body returns the next carries, of the same number and types.
  """
  @spec while(container, (... -> Value.t()), (... -> container)) :: container
  def while(initial, predicate, body), do: Control.while(initial, predicate, body)

  # The table's `repeat` is MLX's, which repeats elements.
  @doc """
  Repeats `body` `count` times, an integer or a value, and returns the last carries. The body is called with the number of
  the iteration, an s32 from 0, and the carries, which are `initial` at first. It returns the next carries.
  """
  @spec for_loop(non_neg_integer | Value.t(), container, (... -> container)) :: container
  def for_loop(count, initial, body), do: Control.for_loop(count, initial, body)

  @doc """
  Calls a function with a value, or a tuple or list of values, and returns its results. The function becomes a function of
  the graph with this name.
  """
  @spec call(container, String.t(), (... -> container)) :: container
  def call(container, name, function), do: Control.call(container, name, function)

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
