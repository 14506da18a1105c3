if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Function do
    @moduledoc false
    # Functions that operations such as `Nx.reduce/4` take, as functions of this VM.

    alias Nx.Defn.{Evaluator, Expr}
    alias Nx.Tensor, as: T

    @doc "The function of a node, which takes two tensors."
    @spec of(T.t()) :: (T.t(), T.t() -> T.t())
    def of(%T{data: %Expr{op: :fun, args: [parameters, body, _]}}) do
      evaluate = Evaluator.__compile__(nil, parameters, fn _ -> body end, [])

      fn a, b ->
        [result] = evaluate.([[fn -> Nx.to_tensor(a) end, fn -> Nx.to_tensor(b) end]])
        result
      end
    end
  end
end
