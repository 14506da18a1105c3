defmodule Davit.Nx.Eager do
  @moduledoc false
  # Single operations on tensors. Each kind of operation, with its types and options, is a small program that is made once.

  alias Davit.{Graph, Program, Tensor}
  alias Davit.Graph.Expression
  alias Davit.Nx.{Lowering, Origins, Programs, Recorder}

  @typedoc "What an operation gets: tensors, lists of them, and anything else as it is."
  @type argument :: Tensor.t() | [argument] | term

  @doc """
  The result of an operation in the engine, of the type `out`, or `:host` if the operation is to be computed in this VM. The engine
  may still be computing the result when this returns.
  """
  @spec run(Davit.Engine.name(), atom, Davit.Type.t(), [argument]) :: Tensor.t() | :host
  def run(engine, name, out, arguments) do
    case program(engine, name, out, arguments) do
      [tensor] -> tensor
      :host -> :host
    end
  end

  @doc "The results of a block, or `:host` where its default implementation is to be used."
  @spec run_block(Davit.Engine.name(), struct, [Davit.Type.t()], [argument]) :: [Tensor.t()] | :host
  def run_block(engine, block, outs, arguments), do: program(engine, block, outs, arguments)

  defp program(engine, name, out, arguments) do
    {shape, tensors} = strip(arguments, [])
    key = {engine, name, out, shape}
    make = fn -> load(engine, name, out, shape) end

    case Programs.fetch(key, make) do
      :host ->
        :host

      plan ->
        Recorder.run(
          plan,
          Enum.reverse(tensors),
          fn -> Programs.session(key, make) end,
          operation(name)
        )
    end
  end

  # The arguments with `{:tensor, type}` in place of tensors, and the tensors from the last to the first.
  defp strip(%Tensor{type: type} = tensor, tensors), do: {{:tensor, type}, [tensor | tensors]}
  defp strip(list, tensors) when is_list(list), do: Enum.map_reduce(list, tensors, &strip/2)
  defp strip(other, tensors), do: {other, tensors}

  defp load(engine, name, out, shape) do
    {arguments, parameters} = parameters(shape, [])

    case lower(name, out, arguments) do
      results when is_list(results) ->
        graph =
          Graph.Assembly.graph(Enum.reverse(parameters), results,
            label: name |> operation() |> Origins.title()
          )

        Program.load(graph, engine: engine)

      _ ->
        :host
    end
  end

  defp lower(name, out, arguments) when is_atom(name) do
    with %Expression{} = value <- Lowering.op(name, out, arguments), do: [value]
  end

  defp lower(block, outs, arguments), do: Lowering.block(block, outs, arguments)

  defp operation(name) when is_atom(name), do: name
  defp operation(%module{}), do: module

  defp parameters({:tensor, type}, parameters) do
    parameter = Expression.parameter(type)
    {parameter, [parameter | parameters]}
  end

  defp parameters(list, parameters) when is_list(list),
    do: Enum.map_reduce(list, parameters, &parameters/2)

  defp parameters(other, parameters), do: {other, parameters}
end
