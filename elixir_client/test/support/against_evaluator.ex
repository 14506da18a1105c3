if Code.ensure_loaded?(Nx) do
  # A container. Protocols are consolidated before a test could define one.
  defmodule Davit.Test.Pair do
    @moduledoc false
    @derive {Nx.Container, containers: [:left, :right], keep: [:tag]}
    defstruct [:left, :right, :tag]
  end

  defmodule Davit.Test.AgainstEvaluator do
    @moduledoc false
    # Functions that are compiled by Davit, compared with what Nx.Defn.Evaluator makes of them on Nx.BinaryBackend.

    import ExUnit.Assertions

    # Nx main calls hooks io_call; 0.12 and 0.13 have hook.
    Code.ensure_loaded!(Nx.Defn.Kernel)
    @hook if function_exported?(Nx.Defn.Kernel, :io_call, 2), do: :io_call, else: :hook

    @doc "A hook on an expression of Nx, with its name or function."
    defmacro watch(expression, name_or_function),
      do: quote(do: Nx.Defn.Kernel.unquote(@hook)(unquote(expression), unquote(name_or_function)))

    @doc "A hook with a name and a function."
    defmacro watch(expression, name, function),
      do: quote(do: Nx.Defn.Kernel.unquote(@hook)(unquote_splicing([expression, name, function])))

    @doc "Calls a function, compiled with the options."
    def compiled(function, arguments, options \\ []),
      do: Nx.Defn.jit_apply(function, arguments, [compiler: Davit] ++ options)

    @doc "Asserts that both compilers return the same, with types, names and vectorized axes. Returns that."
    def assert_same(function, arguments, options \\ []) do
      {tolerance, options} = Keyword.pop(options, :tolerance, 0)
      got = function |> compiled(arguments, options) |> home()
      options = Keyword.put(options, :compiler, Nx.Defn.Evaluator)
      expected = function |> Nx.Defn.jit_apply(arguments, options) |> home()
      assert Nx.to_template(got) == Nx.to_template(expected)
      if tolerance == 0, do: assert(got == expected), else: assert_close(got, expected, tolerance)
      got
    end

    defp assert_close(got, expected, tolerance) do
      for {a, b} <- Enum.zip(leaves(got), leaves(expected)) do
        assert Nx.all_close(a, b, rtol: tolerance, atol: tolerance) |> Nx.to_number() == 1,
               "got #{inspect(a)}, expected #{inspect(b)}"
      end
    end

    defp leaves(container), do: Nx.Defn.Composite.flatten_list([container])

    @doc "A container with its tensors on Nx.BinaryBackend."
    def home(container), do: Nx.backend_copy(container, Nx.BinaryBackend)

    @doc "A function that sends its argument, with its tensors on Nx.BinaryBackend, to a process."
    def sender(pid, tag), do: fn value -> send(pid, {tag, home(value)}) end

    @doc "What was sent with the tag, as numbers."
    def sent(tag) do
      receive do
        {^tag, value} -> [number(value) | sent(tag)]
      after
        0 -> []
      end
    end

    defp number(%Nx.Tensor{shape: {}} = tensor), do: Nx.to_number(tensor)
    defp number(%Nx.Tensor{} = tensor), do: Nx.to_list(tensor)

    defp number(tuple) when is_tuple(tuple),
      do: tuple |> Tuple.to_list() |> Enum.map(&number/1) |> List.to_tuple()

    defp number(map) when is_map(map), do: Map.new(map, fn {key, value} -> {key, number(value)} end)
  end
end
