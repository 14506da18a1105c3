defmodule Davit.Graph.CustomCall do
  @moduledoc false
  # Hooks, prints and callbacks: nodes that hand values to somebody. A graph's bytes hold no function: one that is given for
  # a node is kept beside the graph, by the node's id, and bound at each run.

  alias Davit.Graph.{Check, Control, OpTable, Scope, Value}
  alias Davit.Hooks.Id
  alias Davit.Type

  @key __MODULE__

  @type handler :: Davit.Graph.handler()
  @type target :: Davit.Graph.target()

  @doc "Runs `fun`, which builds a graph; returns its result and the functions that its nodes were given."
  @spec collect((() -> result)) :: {result, [handler]} when result: term
  def collect(fun) do
    outer = Process.put(@key, {0, []})

    try do
      result = fun.()
      {_, handlers} = Process.get(@key)
      {result, Enum.reverse(handlers)}
    after
      if outer, do: Process.put(@key, outer), else: Process.delete(@key)
    end
  end

  @doc "A hook; its values go to the process that the option `:to` names at run time, where that is given."
  def hook(container, target, options) do
    {to, options} = Keyword.pop(options, :to)
    target = target("hook", target)

    if to,
      do: send_to(container, target, to, options),
      else: pass("hook", container, target, options)
  end

  defp send_to(container, [id: _, name: _] = target, %Value{} = to, options) do
    values = Control.values(container)
    results = pass("hook", values ++ [to], target ++ [destination: true], options)
    results |> Enum.drop(-1) |> Control.pack(container)
  end

  defp send_to(_, _, to, _) do
    raise ArgumentError,
          "the option :to is a value of the graph beside a name, such as a parameter that gets " <>
            "Davit.Hooks.to(pid) at run time; got #{Davit.Show.show(to)}"
  end

  @doc "A print."
  def print(container, name, options) do
    {shown, options} = Keyword.split(options, [:precision, :limit])
    pass("print", container, target("print", name) ++ shown, options)
  end

  defp pass(kind, container, attributes, options) do
    values = Control.values(container)
    kind |> add(attributes, values, Enum.map(values, & &1.type), options) |> Control.pack(container)
  end

  @doc "A callback."
  def callback(container, target, results, options) do
    types = for {dtype, shape} <- List.wrap(results), do: Type.new!(dtype, shape)
    attributes = target("callback", target) ++ [results: types]
    values = add("callback", attributes, Control.values(container), types, options)
    if is_list(results), do: values, else: hd(values)
  end

  defp add(kind, attributes, values, types, options) do
    op = "custom_call." <> kind
    {:ok, row} = OpTable.fetch(op)
    node = %{op: op, attributes: Check.attributes!(op, row, attributes)}
    node |> Scope.with_label(options[:label]) |> Scope.add(values, types)
  end

  # The attributes that name who gets the values.
  defp target(_kind, name) when is_binary(name), do: [id: Id.named(name), name: name]

  defp target(node_kind, function) when is_function(function, 1) and node_kind != "print" do
    Scope.current!()
    {slots, handlers} = Process.get(@key)
    kind = if node_kind == "callback", do: :callback, else: :hook

    case Id.of(function) do
      nil ->
        # Slots are numbered in the order in which their functions are given.
        id = Id.slot(slots)
        Process.put(@key, {slots + 1, [{kind, id, function} | handlers]})
        [id: id]

      id ->
        Process.put(@key, {slots, [{kind, id, function} | handlers]})
        [id: id, name: inspect(function)]
    end
  end

  defp target(kind, other) do
    expected = if kind == "print", do: "a name", else: "a name or a function of an event"
    raise ArgumentError, "a #{kind} is for #{expected}, got #{Davit.Show.show(other)}"
  end
end
