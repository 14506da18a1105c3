if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Lower do
    @moduledoc false
    # Translates the nodes of an `Nx.Defn.Expr` into expressions of a graph, each once for the function that it is in.

    alias Davit.Graph.Expression
    alias Davit.Nx.{Arguments, Lowering, Mlx}
    alias Davit.Nx.Compiler.{Calls, Control, Order, State, Template}
    alias Nx.Defn.{Composite, Expr}
    alias Nx.Tensor, as: T

    # Operations whose last argument is a function.
    @reductions [:reduce, :window_reduce]

    @doc "The values of a container of expressions. What has an effect comes in the order in which the program has it."
    @spec function(Nx.Container.t(), State.t()) :: {[Expression.t()], State.t()}
    def function(container, state) do
      state = container |> Order.of() |> Enum.reduce(state, &(&1 |> value(&2) |> elem(1)))
      composite(container, state)
    end

    @doc "The values of a container of expressions."
    @spec composite(Nx.Container.t(), State.t()) :: {[Expression.t()], State.t()}
    def composite(container, state),
      do: [container] |> Composite.flatten_list() |> Enum.map_reduce(state, &value/2)

    @doc "The value of an expression."
    @spec value(T.t(), State.t()) :: {State.value(), State.t()}
    def value(%T{data: %Expr{op: :constant, args: [number]}} = tensor, state) do
      tensor = Template.plain(tensor)
      # By its bits: 0.0 and -0.0 are equal on OTP 25.
      key = {:constant, :erlang.term_to_binary(number), tensor.type, tensor.shape}

      case state.memo do
        %{^key => value} ->
          {value, state}

        _ ->
          value = constant(tensor, number, state)
          {value, put_in(state.memo[key], value)}
      end
    end

    def value(%T{data: %Expr{id: id, op: op, args: args}} = tensor, state) do
      case state.memo do
        %{^id => value} ->
          {fit(value, tensor), state}

        _ ->
          {value, state} = node(op, args, tensor, state)
          {fit(value, tensor), put_in(state.memo[id], value)}
      end
    end

    # The same node may be seen with vectorized axes and without them.
    defp fit(%Expression{type: {dtype, shape}} = value, tensor) do
      case Template.type(tensor) do
        {^dtype, ^shape} -> value
        {^dtype, other} -> Mlx.reshape(value, other)
      end
    end

    defp fit(values, _tensor) when is_tuple(values), do: values

    defp constant(tensor, number, state) do
      Expression.labelled("#{state.label}.constant", fn ->
        if Template.native?(tensor),
          do: Lowering.op(:constant, Template.type(tensor), [number]),
          else: literal(Nx.BinaryBackend.constant(tensor, number, []))
      end)
    end

    defp literal(tensor),
      do: tensor |> Template.to_bytes() |> Expression.constant(Template.type(tensor))

    defp node(:parameter, [place], tensor, %{parameters: :root} = state),
      do: State.input(state, {:argument, place}, Template.type(tensor))

    defp node(:parameter, [place], _tensor, state), do: {Enum.at(state.parameters, place), state}

    defp node(:tensor, [%T{data: %backend{}} = tensor], _, state) do
      type = Template.type(tensor)

      case State.place(state, tensor) do
        nil when backend == Nx.BinaryBackend -> {literal(tensor), state}
        nil -> State.input(state, {:tensor, tensor}, type)
        place -> State.input(state, {:captured, place}, type)
      end
    end

    defp node(:elem, [tuple, index], _, state) do
      {values, state} = value(tuple, state)
      {elem(values, index), state}
    end

    defp node(:metadata, [%T{} = inner, metadata], _, state) do
      {label, state} = label(metadata, state)
      State.labelled(state, label, &value(inner, &1))
    end

    defp node(:metadata, [inner, metadata], tensor, state) do
      {label, state} = label(metadata, state)
      {values, state} = State.labelled(state, label, &composite(inner, &1))
      {pack(values, tensor), state}
    end

    defp node(:cond, [clauses, last], tensor, state) do
      {values, state} = Control.condition(clauses, last, state)
      {pack(values, tensor), state}
    end

    defp node(:while, [initial, _, predicate, body], tensor, state) do
      {values, state} = Control.while(initial, predicate, body, state)
      {pack(values, tensor), state}
    end

    # As a whole, or by its default with the arguments in place of its own parameters.
    defp node(:block, [struct, arguments, default, _], tensor, state) do
      {tensors, options} = Enum.split_while(arguments, &(not is_list(&1)))
      {values, state} = Enum.map_reduce(tensors, state, &value/2)
      outs = Composite.flatten_list([default])

      with true <- Enum.all?(tensors ++ outs, &Template.native?/1),
           [_ | _] = values <- block(struct, outs, values ++ options, state) do
        {pack(values, tensor), state}
      else
        _ ->
          {values, state} = State.inside(state, values, &function(default, &1))
          {pack(values, tensor), state}
      end
    end

    # On Nx 0.13 a hook of a token is on other values than those that pass it.
    defp node(:hook, [passed, {:token_hook, hooked, spec}, _, _], tensor, state) do
      {values, state} = composite(hooked, state)
      {hooks, state} = Calls.hook(values, spec, hooked, state)
      {values, state} = composite(passed, state)
      {values |> behind(hooks) |> pack(tensor), state}
    end

    defp node(op, [passed, spec, _, _], tensor, state) when op in [:io_call, :hook] do
      {values, state} = composite(passed, state)
      {values, state} = Calls.hook(values, spec, passed, state)
      {pack(values, tensor), state}
    end

    # On Nx 0.12 a token has the hooks; the last one comes first.
    defp node(:token, [token], _, state) do
      {hooks, state} =
        token.hooks
        |> Enum.reverse()
        |> Enum.flat_map_reduce(state, fn %{expr: hooked, name: name, callback: default}, state ->
          {values, state} = composite(hooked, state)
          Calls.hook(values, {:named, name, default}, hooked, state)
        end)

      {List.to_tuple(hooks), state}
    end

    defp node(:attach_token, [token, inner], _, state) do
      {hooks, state} = value(token, state)
      {inner, state} = value(inner, state)
      [value] = behind([inner], Tuple.to_list(hooks))
      {value, state}
    end

    defp node(:runtime_call, [passed, function, out, options], tensor, state) do
      {values, state} = composite(passed, state)
      {values, state} = Calls.runtime_call(values, passed, function, out, options, state)
      {pack(values, tensor), state}
    end

    defp node(op, arguments, tensor, state) when op in @reductions do
      host(op, List.update_at(arguments, -1, &Davit.Nx.Compiler.Function.of/1), tensor, state)
    end

    defp node(op, arguments, tensor, state) do
      out = Template.plain(tensor)

      with true <- Template.native?(out) and op in Lowering.names(),
           {values, state} <- Arguments.map_reduce(arguments, state, &operand/2),
           %Expression{} = value <- lowered(op, Template.type(out), values, state) do
        {value, state}
      else
        _ -> host(op, arguments, out, state)
      end
    catch
      {:not_native, state} -> host(op, arguments, Template.plain(tensor), state)
    end

    defp lowered(op, type, values, state),
      do: Expression.labelled("#{state.label}.#{op}", fn -> Lowering.op(op, type, values) end)

    defp block(struct, outs, arguments, state) do
      name = struct.__struct__ |> Module.split() |> List.last() |> Macro.underscore()
      types = Enum.map(outs, &Template.type/1)

      Expression.labelled("#{state.label}.#{name}", fn ->
        Lowering.block(struct, types, arguments)
      end)
    end

    defp operand(tensor, state) do
      {value, state} = value(tensor, state)
      if Template.native?(tensor), do: {value, state}, else: throw({:not_native, state})
    end

    # Computed in this VM when the program runs.
    defp host(op, arguments, out, state) do
      {arguments, {values, state}} =
        Arguments.map_reduce(arguments, {[], state}, fn tensor, {values, state} ->
          {value, state} = value(tensor, state)
          {tensor |> Template.plain() |> Nx.to_template(), {[value | values], state}}
        end)

      {[value], state} = Calls.host(Enum.reverse(values), op, out, arguments, state)
      {value, state}
    end

    # The values, after the hooks.
    defp behind(values, []), do: values

    defp behind(values, hooks) do
      for %{type: {_, shape} = type} = value <- values do
        shape = %{"shape" => Tuple.to_list(shape)}
        Expression.node("reshape", [value], shape, type, after: hooks)
      end
    end

    defp pack(values, %T{type: {:tuple, _}}), do: List.to_tuple(values)
    defp pack([value], _), do: value

    # The names that libraries give to parts of a program. Axon tells the kind of a layer.
    defp label(%{axon_layer: kind}, state), do: State.layer(state, kind)
    defp label(%{label: name}, state) when is_binary(name), do: {name, state}
    defp label(_, state), do: {nil, state}
  end
end
