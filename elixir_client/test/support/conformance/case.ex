if Code.ensure_loaded?(Nx) do
  defmodule Davit.Conformance.Case do
    @moduledoc false
    # A function of tensors, with arguments.
    #
    # - tolerance: a factor on what the type of a result allows
    # - hooks: names of hooks whose values are kept too

    alias Davit.Test.AgainstBinaryBackend, as: Numbers

    @enforce_keys [:name, :function, :arguments]
    defstruct @enforce_keys ++ [tolerance: 1, hooks: []]

    @mixed [
      {{:u, 8}, {:s, 8}},
      {{:s, 8}, {:u, 16}},
      {{:u, 64}, {:s, 64}},
      {{:u, 32}, {:s, 64}},
      {{:s, 32}, {:f, 32}},
      {{:u, 8}, {:bf, 16}},
      {{:f, 16}, {:f, 32}},
      {{:s, 16}, {:f, 64}},
      {{:f, 32}, {:f, 64}}
    ]

    def new(name, function, arguments, options \\ []),
      do:
        struct!(%__MODULE__{name: name, function: function, arguments: arguments}, Map.new(options))

    @doc "A function of one tensor on each of several; the results are a tuple."
    def each(name, tensors, function, options \\ []) do
      all = fn tuple -> tuple |> Tuple.to_list() |> Enum.map(function) |> List.to_tuple() end
      new(name, all, [List.to_tuple(tensors)], options)
    end

    @doc "A function of two tensors on several pairs."
    def pairs(name, pairs, function, options \\ []),
      do: each(name, pairs, fn {a, b} -> function.(a, b) end, options)

    @doc "Pairs of types: the same ones, and some that differ. Those of which all are among the given ones."
    def type_pairs(types) do
      same = for type <- types, do: {type, type}
      same ++ for {a, b} <- @mixed, a in types and b in types, do: {a, b}
    end

    @doc "The edges of a type as a column, to be combined with those of another as a row."
    def column(type, numbers \\ &edges/1), do: type |> numbers.() |> tensor(type) |> Nx.new_axis(1)

    def edges(type), do: type |> Numbers.numbers(1) |> Enum.take(12)

    def tensor(numbers, type), do: Nx.tensor(numbers, type: type)

    @doc "Small numbers of both signs, or of one where the type has no other."
    def ramp(shape, {:u, _} = type), do: shape |> ramp({:s, 32}) |> Nx.abs() |> Nx.as_type(type)

    def ramp(shape, type) do
      shape
      |> Nx.iota(type: :s32)
      |> Nx.multiply(7)
      |> Nx.remainder(11)
      |> Nx.subtract(4)
      |> Nx.as_type(type)
    end
  end
end
