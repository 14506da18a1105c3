if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Lowering do
    @moduledoc false
    # A compiler that lowers a function as Davit does, and throws the graph, the inputs and the operations of Nx that are in it.

    alias Davit.Nx.Compiler.{Compiled, Template}
    alias Nx.Defn.{Composite, Expr, Tree}
    alias Nx.Tensor, as: T

    @doc "The graph of a function for arguments, its inputs as tensors of Nx, and its operations, as names and structs of blocks."
    def lower(function, arguments, label) do
      Nx.Defn.jit_apply(function, arguments, compiler: __MODULE__, label: label)
    catch
      {__MODULE__, lowered} -> lowered
    end

    def __jit__(_key, variables, trace, [arguments], options) do
      parent = self()

      noted = fn variables ->
        tap(trace.(variables), &send(parent, {__MODULE__, operations(&1)}))
      end

      {graph, compiled} = Compiled.lower(Davit.Engine, noted, variables, [], options[:label])
      operations = receive do: ({__MODULE__, operations} -> operations)
      inputs = for input <- compiled.inputs, do: input(input, arguments)
      throw({__MODULE__, {graph, inputs, compiled, operations}})
    end

    def __partitions_options__(options), do: [options]
    def __to_backend__(_), do: {Nx.BinaryBackend, []}

    defp input({:argument, place}, arguments),
      do: Enum.at(arguments, place).() |> Template.plain()

    defp input({:tensor, tensor}, _), do: tensor

    defp operations(container),
      do: container |> Composite.reduce(%{}, &walk/2) |> Map.values() |> List.flatten()

    defp walk(%T{data: %Expr{id: id, op: op} = expr} = tensor, seen) do
      if is_map_key(seen, id) do
        seen
      else
        {_, seen} = Tree.apply_args(tensor, :all, Map.put(seen, id, named(op, expr)), &visit/2)
        seen
      end
    end

    defp walk(_, seen), do: seen

    defp visit(%T{} = tensor, seen), do: {tensor, walk(tensor, seen)}
    defp visit(other, seen), do: {other, seen}

    defp named(:block, %{args: [%name{} | _]}), do: [:block, name]
    defp named(op, _), do: [op]
  end
end
