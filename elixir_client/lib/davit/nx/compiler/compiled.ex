if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Compiled do
    @moduledoc false
    # A function that is compiled for arguments of certain templates: its program, the inputs of that, and what makes a result of
    # the outputs. There is no program if all results are arguments.

    alias Davit.Graph.Assembly
    alias Davit.{Graph, Program, Tensor}
    alias Davit.Nx.Compiler.{Cache, Calls, Closure, Key, Lower, Order, State, Template}
    alias Nx.Defn.Composite
    alias Nx.Tensor, as: T

    @enforce_keys [:engine, :program, :inputs, :outputs, :template, :calls, :bound?]
    defstruct @enforce_keys

    @typedoc """
    `outputs` says for each tensor of the template whether it is the next one of the program, or one of the inputs. `bound?`: it
    calls functions that belong to the process that traced it.
    """
    @type t :: %__MODULE__{
            engine: Davit.Engine.name(),
            program: Program.t() | nil,
            inputs: [State.input()],
            outputs: [:program | {:input, non_neg_integer}],
            template: Nx.Container.t(),
            calls: [Calls.call()],
            bound?: boolean
          }

    @doc "Loads the program of what was lowered, if there is none like it."
    @spec load({Graph.t() | nil, t}) :: t
    def load({graph, compiled}),
      do: %{compiled | program: graph && Cache.program(compiled.engine, graph) |> slim()}

    @doc "Traces and lowers a function: the graph, nil where no program is needed, and what goes with its program."
    @spec lower(Davit.Engine.name(), fun, [Nx.Container.t()], [Nx.Tensor.t()], String.t()) ::
            {Graph.t() | nil, t}
    def lower(engine, function, variables, captured, label) do
      function = Closure.map(function, &as_expression/1)
      result = Order.on_one_scheduler(fn -> function.(variables) end)

      {result, template} =
        {Composite.traverse(result, &Template.plain/1),
         Composite.traverse(result, &Nx.to_template/1)}

      {values, state} = Lower.function(result, State.new(engine, captured, label))
      {inputs, parameters} = State.inputs(state)

      places =
        for {parameter, place} <- Enum.with_index(parameters),
            into: %{},
            do: {parameter.node.id, place}

      outputs =
        Enum.map(values, &if(place = places[&1.node.id], do: {:input, place}, else: :program))

      results = for {value, :program} <- Enum.zip(values, outputs), do: value
      calls = Enum.reverse(state.calls)

      graph = if results != [], do: Assembly.graph(parameters, results, name: label)

      compiled = %__MODULE__{
        engine: engine,
        program: nil,
        inputs: inputs,
        outputs: outputs,
        template: template,
        calls: calls,
        bound?: calls |> Calls.functions() |> Key.bound?()
      }

      {graph, compiled}
    end

    # Nx takes a captured tensor into an expression only if it is of Nx.BinaryBackend. So tensors of Davit become expressions
    # before the function is traced.
    defp as_expression(%T{data: %Davit.Backend{}} = tensor) do
      node = %Nx.Defn.Expr{id: make_ref(), op: :tensor, args: [tensor], context: nil}
      {:ok, %{tensor | data: node}}
    end

    defp as_expression(%T{} = tensor), do: {:ok, tensor}
    defp as_expression(_), do: :error

    @doc "The compiled function with a program that was loaded."
    @spec with_program(t, Program.t()) :: t
    def with_program(compiled, program), do: %{compiled | program: slim(program)}

    @doc "Whether what was lowered is a compiled function that has its program."
    @spec same?({Graph.t() | nil, t}, t) :: boolean
    def same?({graph, lowered}, %{program: program} = compiled) do
      hash = graph && graph |> Graph.to_binary() |> Graph.hash()
      hash == (program && program.hash) and %{compiled | program: nil} == lowered
    end

    # What a run needs of the program. Of the sites it needs those that may call; of the others it asks only whether there are any.
    defp slim(program) do
      {calling, others} = Enum.split_with(program.sites, &(&1.kind != :node))
      by_number = Map.new(calling, &{&1.number, &1})
      %{program | sites: calling ++ Enum.take(others, 1), by_number: by_number}
    end

    @doc """
    Runs it on arguments, functions that return tensors, and the captured tensors of the function at hand. `hooks` are functions
    by name.
    """
    @spec run(t, [(() -> Nx.Tensor.t())], [Nx.Tensor.t()], map, keyword) :: Nx.Container.t()
    def run(%__MODULE__{engine: engine} = compiled, arguments, captured, hooks, options) do
      arguments = List.to_tuple(arguments)
      inputs = for input <- compiled.inputs, do: input(input, arguments, captured, engine)
      results = results(compiled, inputs, hooks, options)
      values = outputs(compiled.outputs, results, inputs)
      result = Template.container(compiled.template, values, engine)
      # While another function is traced, its expressions take only tensors of that backend.
      if Nx.Defn.Compiler.current(), do: Nx.backend_copy(result, Nx.BinaryBackend), else: result
    end

    defp input({:argument, place}, arguments, _, engine),
      do: Template.to_input(elem(arguments, place).(), engine)

    defp input({:captured, place}, _, captured, engine),
      do: captured |> Enum.at(place) |> Template.to_input(engine)

    defp input({:tensor, tensor}, _, _, engine), do: Template.to_input(tensor, engine)

    defp results(%{program: nil}, _, _, _), do: []

    defp results(%{program: program} = compiled, inputs, hooks, options) do
      handlers = Calls.handlers(compiled.calls, hooks, compiled.engine)
      results = Davit.run(%{program | handlers: handlers}, inputs, options)
      # This keeps the program's token until here: another process may have forgotten the program.
      Tensor.touch(compiled)
      results
    end

    defp outputs([], [], _), do: []

    defp outputs([:program | rest], [value | values], inputs),
      do: [value | outputs(rest, values, inputs)]

    defp outputs([{:input, place} | rest], values, inputs),
      do: [Enum.at(inputs, place) | outputs(rest, values, inputs)]
  end
end
