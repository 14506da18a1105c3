if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Calls do
    @moduledoc false
    # Hooks, calls of functions at run time, and operations that are computed in this VM. They are nodes that hand values to the
    # process that runs the program, and functions that are called there.

    alias Davit.Graph.Expression
    alias Davit.Hooks.{Event, Id}
    alias Davit.Nx.{Arguments, Compiler.State, Compiler.Template, Host}
    alias Davit.{EngineError, Tensor}
    alias Nx.Defn.Composite
    alias Nx.Tensor, as: T

    @typedoc """
    A node that calls. A hook has a name, by which the option `:hooks` may have a function for it, and a default function; either
    may be absent. The function is called with a container like the template.
    """
    @type call ::
            {:hook, Id.t(), name :: atom, default :: fun | nil, template :: Nx.Container.t()}
            | {:callback, Id.t(), (Event.t() -> term)}

    @doc "A hook on values that a container of this template holds; they pass through it."
    @spec hook([Expression.t()], term, Nx.Container.t(), State.t()) :: {[Expression.t()], State.t()}
    def hook(values, spec, template, state) do
      {name, default} = named(spec)
      template = plain(template)
      {id, shown, state} = id(state, name, default, template)
      types = Enum.map(values, & &1.type)
      attributes = with_name(%{"id" => id}, shown)
      outputs = Expression.node("custom_call.hook", values, attributes, types, label: state.label)
      {outputs, add(state, {:hook, id, name, default, template})}
    end

    defp add(%{calls: calls} = state, call),
      do: if(call in calls, do: state, else: %{state | calls: [call | calls]})

    # Nx 0.13 makes up a name for a hook that has none, a new one at each tracing.
    defp named({:named, name, default}) when default != nil,
      do: if(Atom.to_string(name) =~ ~r/\Ahook_\d+\z/, do: {nil, default}, else: {name, default})

    defp named({:named, name, nil}), do: {name, nil}
    defp named({:fn, function}), do: {nil, function}

    # Nodes that share an id call one function with one kind of container. Where the id belongs to another function or container, a
    # node gets a slot.
    defp id(state, name, default, template) do
      {id, shown} = identity(name, default)
      owner = {name, default, template}

      case state.ids do
        %{^id => ^owner} -> {id, shown, state}
        %{^id => _} -> slot(state, shown)
        _ when id == nil -> slot(state, shown)
        ids -> {id, shown, %{state | ids: Map.put(ids, id, owner)}}
      end
    end

    defp identity(nil, function), do: {Id.of(function), shown(function)}
    defp identity(name, _), do: {Id.named(Atom.to_string(name)), Atom.to_string(name)}

    defp shown(function),
      do: if(match?({:type, :external}, Function.info(function, :type)), do: inspect(function))

    defp slot(state, shown) do
      id = state.ids |> map_size() |> Id.slot()
      {id, shown, %{state | ids: Map.put(state.ids, id, :slot)}}
    end

    defp with_name(attributes, nil), do: attributes
    defp with_name(attributes, name), do: Map.put(attributes, "name", name)

    @doc "The results of a function that is called at run time with a container of values."
    @spec runtime_call([Expression.t()], Nx.Container.t(), fun, Nx.Container.t(), term, State.t()) ::
            {[Expression.t()], State.t()}
    def runtime_call(values, template, function, out, options, state) do
      {template, out} = {plain(template), Nx.to_template(out)}
      engine = state.engine

      callback(values, leaves(out), state, fn event ->
        result = function.(Template.container(template, present!(event), engine), options)

        if not Nx.compatible?(out, result) do
          raise "expected the runtime_call function to match the given output template"
        end

        leaves(result)
      end)
    end

    # As the evaluator has them: vectorized axes are the first ones of the shape.
    defp plain(container),
      do: container |> Composite.traverse(&Template.plain/1) |> Nx.to_template()

    defp leaves(container), do: [container] |> Composite.flatten_list() |> Enum.map(&Nx.to_tensor/1)

    @doc """
    The result of an operation that Nx.BinaryBackend computes. The arguments have templates in place of the values.
    """
    @spec host([Expression.t()], atom, T.t(), list, State.t()) :: {[Expression.t()], State.t()}
    def host(values, name, out, arguments, state) do
      engine = state.engine
      out = out |> Template.plain() |> Nx.to_template()

      callback(values, [out], state, fn event ->
        fill = fn template, [value | values] ->
          {Template.from_value(template, value, engine), values}
        end

        {arguments, []} = Arguments.map_reduce(arguments, present!(event), fill)
        [Host.compute(out, name, arguments)]
      end)
    end

    defp callback(values, outs, state, handler) do
      types = Enum.map(outs, &Template.type/1)
      {id, nil, state} = slot(state, nil)
      attributes = %{"id" => id, "results" => types}
      label = [label: state.label]
      outputs = Expression.node("custom_call.callback", values, attributes, types, label)

      run = fn event ->
        tensors =
          for result <- handler.(event),
              do: %Tensor{type: Template.type(result), data: Template.to_bytes(result)}

        List.to_tuple(tensors)
      end

      {outputs, add(state, {:callback, id, run})}
    end

    @doc "What a run of the program calls: the functions of `hooks`, by name, in place of those that hooks have themselves."
    @spec handlers([call], %{optional(atom) => fun}, Davit.Engine.name()) :: [Davit.Graph.handler()]
    def handlers([], _hooks, _engine), do: []

    def handlers([{:callback, id, run} | calls], hooks, engine),
      do: [{:callback, id, run} | handlers(calls, hooks, engine)]

    def handlers([{:hook, id, name, default, template} | calls], hooks, engine) do
      case (name && hooks[name]) || default do
        nil ->
          handlers(calls, hooks, engine)

        function ->
          call = fn event -> function.(Template.container(template, present!(event), engine)) end
          [{:hook, id, call} | handlers(calls, hooks, engine)]
      end
    end

    defp present!(%Event{values: values} = event) do
      for value <- values do
        with {:omitted, bytes} <- value do
          raise %EngineError{
            code: :value_too_large,
            message:
              "the hook #{Davit.Hooks.Site.title(event.site)} has a value of #{bytes} bytes, which is more than a message " <>
                "may have (32 MiB); hook a slice or a summary of it",
            label: event.label
          }
        end
      end
    end

    @doc "The functions that the calls hold, with all that these captured."
    @spec functions([call]) :: list
    def functions(calls) do
      for call <- calls do
        case call do
          {:hook, _, _, default, _} -> default
          {:callback, _, run} -> run
        end
      end
    end
  end
end
