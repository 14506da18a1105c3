if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Loop do
    @moduledoc false
    # What can be told of a loop before it is lowered: which of its carries it never changes, and whether it counts, so that the
    # number of its iterations is known when it begins.

    alias Davit.Nx.{Lowering.Cast, Types}
    alias Nx.Defn.Expr
    alias Nx.Tensor, as: T

    defstruct kept: MapSet.new(), counter: nil, count: nil

    @typedoc """
    `kept`: the places of carries that stay as they are. `counter`: the place of one that grows by `step` at each iteration.
    `count`: how many iterations there are: a number; or the place of a carry up to which the counter goes by 1, or down to.
    """
    @type t :: %__MODULE__{
            kept: MapSet.t(),
            counter: {place :: non_neg_integer, step :: integer} | nil,
            count: non_neg_integer | {:up_to | :down_to, non_neg_integer} | nil
          }

    @mirrored %{
      less: :greater,
      greater: :less,
      less_equal: :greater_equal,
      greater_equal: :less_equal
    }
    @comparisons Map.keys(@mirrored)

    @doc "Looks at a loop's initial carries, predicate and next carries."
    @spec of([T.t()], T.t(), [T.t()]) :: t
    def of(initial, predicate, body) do
      kept =
        for {tensor, place} <- Enum.with_index(body),
            parameter(tensor) == place,
            into: MapSet.new(),
            do: place

      counted(%__MODULE__{kept: kept}, initial, predicate, body)
    end

    defp parameter(%T{data: %Expr{op: :parameter, args: [place]}}), do: place
    defp parameter(_), do: nil

    defp constant(%T{data: %Expr{op: :constant, args: [number]}}) when is_integer(number),
      do: number

    defp constant(_), do: nil

    defp counted(loop, initial, %T{data: %Expr{op: op, args: [a, b]}}, body)
         when op in @comparisons do
      case {counter(a, body), counter(b, body)} do
        {nil, nil} -> loop
        {nil, counter} -> count(loop, counter, @mirrored[op], a, initial)
        {counter, _} -> count(loop, counter, op, b, initial)
      end
    end

    defp counted(loop, _initial, _predicate, _body), do: loop

    defp counter(tensor, body) do
      with place when place != nil <- parameter(tensor),
           step when step != nil <- step(Enum.at(body, place), place),
           do: {place, step}
    end

    # By how much a signed integer changes.
    defp step(%T{type: {:s, bits}, shape: {}, data: %Expr{op: op, args: [a, b]}}, place)
         when op in [:add, :subtract] and bits >= 8 do
      cond do
        op == :add and parameter(b) == place -> constant(a)
        op == :add and parameter(a) == place -> constant(b)
        op == :subtract and parameter(a) == place -> negative(constant(b))
        true -> nil
      end
    end

    defp step(_, _), do: nil

    defp negative(nil), do: nil
    defp negative(number), do: -number

    defp count(loop, {place, step} = counter, op, limit, initial) do
      first = Enum.at(initial, place)

      case {constant(first), constant(limit), parameter(limit)} do
        {first_number, limit, _} when is_integer(first_number) and is_integer(limit) ->
          count = iterations(first_number, limit, op, step)

          if fits?(first_number, count, step, first.type),
            do: %{loop | counter: counter, count: count},
            else: loop

        {_, nil, limit} when is_integer(limit) and limit != place ->
          direction = %{{:less, 1} => :up_to, {:greater, -1} => :down_to}[{op, step}]
          limited? = MapSet.member?(loop.kept, limit) and narrower?(Enum.at(initial, limit), first)

          if direction && limited?,
            do: %{loop | counter: counter, count: {direction, limit}},
            else: loop

        _ ->
          loop
      end
    end

    defp iterations(first, limit, :less_equal, step), do: iterations(first, limit + 1, :less, step)

    defp iterations(first, limit, :greater_equal, step),
      do: iterations(first, limit - 1, :greater, step)

    defp iterations(first, limit, :less, step) do
      cond do
        first >= limit -> 0
        step > 0 -> div(limit - first + step - 1, step)
        true -> nil
      end
    end

    defp iterations(first, limit, :greater, step), do: iterations(-first, -limit, :less, -step)

    # The counter stays within its type, and the number of an iteration is an int32.
    defp fits?(_first, nil, _step, _type), do: false

    defp fits?(first, count, step, type) do
      {least, greatest} = type |> Types.dtype() |> Cast.range()
      count < 0x7FFF_FFFF and (first + count * step) in least..greatest
    end

    defp narrower?(%T{type: {:s, bits}, shape: {}}, %T{type: {:s, counter}}),
      do: bits <= min(counter, 32)

    defp narrower?(_, _), do: false
  end
end
