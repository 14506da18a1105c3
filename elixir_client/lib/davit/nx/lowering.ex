defmodule Davit.Nx.Lowering do
  @moduledoc """
  Translates operations of Nx into graphs with exactly Nx's meaning. The backend and the compiler share it.

  An operation is named as the callback of `Nx.Backend`, and gets that callback's arguments without the output, with an
  expression (`Davit.Graph.Expression`) for each tensor:

      iex> alias Davit.Graph.Expression
      iex> a = Expression.parameter({:int8, {3}})
      iex> b = Expression.parameter({:uint8, {3}})
      iex> Davit.Nx.Lowering.op(:add, {:int16, {3}}, [a, b])
      #Davit.Graph.Expression<type: {:int16, {3}}, ...>

  The type and shape of the output are those that Nx asks for, in MLX's dtypes; the returned expression has them.
  Comparisons return `uint8`, since Nx has no bool.

  - The backend lowers one operation on parameters and keeps the program for the next call of that kind.
  - The compiler lowers each node of an `Nx.Defn.Expr` on the expressions of its operands, and assembles one graph of all
    (`Davit.Graph.Assembly`). It lowers control flow, hooks and calls itself. `reduce/5` and `window_reduce/6`, which take a
    function, are not lowered at all.

  `op/3` and `block/3` return `:host` for what MLX cannot do exactly: such an operation is to be computed by
  Nx.BinaryBackend. A block's default implementation serves as well.

  Each family of operations has a file in `lib/davit/nx/lowering`: `elementwise.ex` has the table of the operations that are one
  op of MLX. All of them use the functions of `lib/davit/nx/mlx.ex`. None of them needs Nx to be there.
  """

  alias Davit.Graph.Expression
  alias Davit.Nx.Lowering

  @families [
    Lowering.Elementwise,
    Lowering.Arithmetic,
    Lowering.Bits,
    Lowering.Comparison,
    Lowering.Special,
    Lowering.Cast,
    Lowering.Shape,
    Lowering.Slices,
    Lowering.Creation,
    Lowering.Reduction,
    Lowering.Window,
    Lowering.Sorting,
    Lowering.Indexing,
    Lowering.Dot,
    Lowering.Convolution,
    Lowering.Fourier,
    Lowering.Linear
  ]

  @typedoc "What a callback gets: an expression for a tensor, or anything else as it is."
  @type argument :: Expression.t() | [Expression.t()] | term

  @doc "The expression of an operation, whose type is `out`; or `:host`. Raises `ArgumentError` for an unknown operation."
  @spec op(atom, Davit.Type.t(), [argument]) :: Expression.t() | :host
  def op(name, out, arguments)

  @operations for family <- @families, name <- family.names(), do: {name, family}

  for {name, family} <- @operations do
    def op(unquote(name), out, arguments),
      do: unquote(family).lower(unquote(name), out, arguments) |> checked(unquote(name), out)
  end

  def op(name, _out, _arguments),
    do: raise(ArgumentError, "operation #{name} of Nx is not one that is lowered")

  defp checked(%Expression{type: out} = value, _name, out), do: value
  defp checked(:host, _name, _out), do: :host

  defp checked(%Expression{type: type}, name, out) do
    [type, out] = Enum.map([type, out], &Davit.Type.format/1)
    raise "operation #{inspect(name)} was lowered to #{type}; expected #{out}"
  end

  @doc """
  The expressions of a block's outputs, which have the types `outs`; `:default` where its default implementation is to be used.

  `block` is the struct of `Nx.Block`, `arguments` are those of the block, with expressions for tensors.
  """
  @spec block(struct, [Davit.Type.t()], [argument]) :: [Expression.t()] | :default
  def block(block, outs, arguments) do
    case Lowering.Blocks.lower(block, outs, arguments) do
      :default -> :default
      values -> Enum.zip_with(values, outs, &checked(&1, block.__struct__, &2))
    end
  end

  @doc "All operations that are lowered."
  @spec names() :: [atom]
  def names, do: unquote(Keyword.keys(@operations))
end
