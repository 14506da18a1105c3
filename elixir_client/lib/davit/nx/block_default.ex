if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.BlockDefault do
    @moduledoc false
    # The default implementations of blocks. Those of Nx are loops of hundreds of operations, so each is compiled to one program. That
    # of a user's block may do anything, so it is called.

    alias Davit.Nx.{Types, Value}
    alias Nx.Tensor, as: T

    @doc "The results of the block's default implementation `fun`."
    @spec compute(struct, list, fun) :: T.t() | tuple
    def compute(block, arguments, fun) do
      {tensors, options} = Enum.split_while(arguments, &is_struct(&1, T))

      if nx?(block) and tensors != [] and Enum.all?(tensors, &Types.type/1) do
        {engine, _home} = Value.place(tensors)
        default = fn tensors -> apply(fun, [block | Tuple.to_list(tensors) ++ options]) end
        Nx.Defn.jit_apply(default, [List.to_tuple(tensors)], compiler: Davit, engine: engine)
      else
        apply(fun, [block | arguments])
      end
    end

    defp nx?(%module{}), do: match?(["Nx", "Block" | _], Module.split(module))
  end
end
