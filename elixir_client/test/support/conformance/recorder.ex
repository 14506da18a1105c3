if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Recorder do
    @moduledoc false
    # Evaluates cases with Nx.Defn.Evaluator on Nx.BinaryBackend, and lowers them as Davit does. A file holds a list of cases, in
    # msgpack that is packed by gzip:
    #
    #     name, graph (canonical bytes), constants (large ones, by their hash),
    #     inputs, outputs, events (the name of the hook and its values, in order)
    #
    # A value has a dtype, a shape and bytes; an expected one also the tolerance: which part of a number a result may differ by.
    # Numbers below 0.001 count as that. A tolerance of 0 asks for the same bytes.

    alias Davit.{Conformance, Graph, Msgpack}
    alias Davit.Nx.Compiler.Template
    alias Davit.Test.AgainstBinaryBackend, as: Numbers

    @families [
      Conformance.Elementwise,
      Conformance.Functions,
      Conformance.Movement,
      Conformance.Aggregation,
      Conformance.Linear,
      Conformance.Control,
      Conformance.Random,
      Conformance.Gradients,
      Conformance.Models
    ]

    @doc "The files by their names, with their contents before they are packed; and all operations that are in their cases."
    @spec record() :: {%{String.t() => binary}, MapSet.t(atom)}
    def record do
      Nx.with_default_backend(Nx.BinaryBackend, fn ->
        {files, operations} = @families |> Enum.map(&family/1) |> Enum.unzip()

        {Map.new(files), operations |> List.flatten() |> MapSet.new()}
      end)
    end

    defp family(module) do
      file = module |> Module.split() |> List.last() |> Macro.underscore()
      {cases, operations} = module.cases() |> Enum.map(&record/1) |> Enum.unzip()
      names = Enum.map(cases, & &1.name)
      names == Enum.uniq(names) || raise "#{file} has two cases #{hd(names -- Enum.uniq(names))}"
      {{file <> ".msgpack.gz", Msgpack.encode(cases)}, operations}
    end

    defp record(%Conformance.Case{name: name} = example) do
      {graph, inputs, compiled, operations} =
        Conformance.Lowering.lower(example.function, example.arguments, name)

      graph || raise "#{name} returns its arguments"
      for {:callback, _, _} <- compiled.calls, do: raise("#{name} is not computed by MLX alone")
      {outputs, events} = evaluate(example)

      recorded = %{
        name: name,
        graph: {:bin, Graph.to_binary(graph)},
        constants: Map.new(graph.constants, fn {hash, value} -> {hash, constant(value)} end),
        inputs: Enum.map(inputs, &value/1),
        # Those that are arguments are no results of the program.
        outputs:
          for(
            {tensor, :program} <- Enum.zip(outputs, compiled.outputs),
            do: expected(tensor, example)
          ),
        events: for({name, values} <- events, do: [name, Enum.map(values, &expected(&1, example))])
      }

      {recorded, operations}
    end

    defp evaluate(%{function: function, arguments: arguments, hooks: hooks}) do
      tag = make_ref()
      parent = self()

      keep = fn name ->
        fn values -> send(parent, {tag, Atom.to_string(name), leaves(values)}) end
      end

      options = [compiler: Nx.Defn.Evaluator, hooks: Map.new(hooks, &{&1, keep.(&1)})]
      {function |> Nx.Defn.jit_apply(arguments, options) |> leaves(), events(tag)}
    end

    defp events(tag) do
      receive do
        {^tag, name, values} -> [{name, values} | events(tag)]
      after
        0 -> []
      end
    end

    defp leaves(container),
      do: for(tensor <- Nx.Defn.Composite.flatten_list([container]), do: Template.plain(tensor))

    defp constant({type, bytes}), do: typed(type, bytes)

    defp value(tensor), do: tensor |> Template.type() |> typed(Nx.to_binary(tensor))

    defp typed({dtype, shape}, bytes), do: [dtype, Tuple.to_list(shape), {:bin, bytes}]

    defp expected(%{type: type} = tensor, example),
      do: value(tensor) ++ [Numbers.tolerance(type) * example.tolerance]
  end
end
