if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Order do
    @moduledoc false
    # The order of effects. An expression of Nx says which node needs which. It does not say which of two hooks comes first if neither
    # needs the other. The ids of nodes are references, and references that are made on one scheduler increase. So a function is
    # traced on one scheduler, and its nodes are sorted by their ids.

    alias Nx.Defn.{Composite, Expr, Tree}
    alias Nx.Tensor, as: T

    @ordered [:io_call, :hook, :token, :attach_token, :runtime_call, :while, :cond, :block]

    @doc "Runs `fun`, whose references are in order."
    @spec on_one_scheduler((() -> result)) :: result when result: term
    def on_one_scheduler(fun) do
      before = bind(:erlang.system_info(:scheduler_id))

      try do
        fun.()
      after
        bind(before)
      end
    end

    # Erlang has this flag and does not document it; 0 is no scheduler in particular. Without the flag, hooks that do not need each
    # other might change places. Nothing else depends on it.
    defp bind(scheduler) do
      :erlang.process_flag(:scheduler, scheduler)
    rescue
      ArgumentError -> 0
    end

    @doc """
    The nodes of a function that have effects, or may have them inside, and the layers of a model, in the order of the program: layers are
    named in that order.
    """
    @spec of(Nx.Container.t()) :: [T.t()]
    def of(container) do
      {_, found} = Composite.reduce(container, {%{}, []}, &walk/2)
      found |> Enum.sort_by(& &1.data.id) |> Enum.uniq_by(& &1.data.id)
    end

    defp walk(%T{data: %Expr{id: id, op: op, args: args}} = tensor, {seen, found}) do
      if is_map_key(seen, id) do
        {seen, found}
      else
        ordered? = op in @ordered or match?([_, %{axon_layer: _}], args)
        found = if ordered?, do: [tensor | found], else: found
        {_, acc} = Tree.apply_args(tensor, :scope, {Map.put(seen, id, []), found}, &visit/2)
        acc
      end
    end

    defp visit(%T{} = tensor, acc), do: {tensor, walk(tensor, acc)}
    defp visit(other, acc), do: {other, acc}
  end
end
