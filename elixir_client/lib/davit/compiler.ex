if Code.ensure_loaded?(Nx) do
  defmodule Davit.Compiler do
    @moduledoc """
    A compiler for `Nx.Defn`: a whole function becomes one program, which MLX runs in a Davit engine.

        iex> sum_of_squares = Nx.Defn.jit(fn x -> Nx.sum(Nx.multiply(x, x)) end, compiler: Davit)
        iex> sum_of_squares.(Nx.tensor([1, 2, 3])) |> Nx.to_number()
        14

    `Nx.Defn.global_default_options(compiler: Davit)` makes it the compiler of all functions. The option `:compiler` takes `Davit` and
    `Davit.Compiler`, which mean the same. Results are tensors of `Davit.Backend`.

    ## Options

      * `:engine`: the name of the engine, default `Davit.Engine`;
      * `:hooks`: functions for named hooks, by name. They replace the functions that the hooks have. Calls with other functions
        use the same compiled function;
      * `:store`: whether compiled functions are kept on disk, where the next VM finds them without tracing. `true` is the engine's store, a
        text the folder of another one. A list may have `path: folder`; `key: term`, a term that tells apart what nothing else does; and
        `verify: :background`, which traces what the store had once more, in a process of low priority, and forgets it where it differs.
        Default: `config :davit, store: true`, else false. docs/store.md says what is kept and when it is found;
      * `:timeout`: of a run, in milliseconds, default `:infinity`. Compiling is not part of it;
      * `:max_concurrency`: how many partitions a `Nx.Serving` gets, default 1. Each runs in processes of its own, and so on lanes of
        its own.

    Other options are for other compilers, and make no difference.

    Calls that want the same function at once wait for the one that compiles it, at most a minute (`config :davit, compile_wait:
    milliseconds`); then they compile it too. A function that would wait for itself, since it is called where it is traced, raises.

    docs/nx.md says what is compiled when, and how hooks work.
    """

    @behaviour Nx.Defn.Compiler

    alias Davit.Nx.Compiler.{Cache, Compiled, Key, Name, Store}

    @doc """
    How often functions were compiled in this VM, and why.

      * `:hits`: calls of a function that was compiled already;
      * `:stored`: functions that were found in the store, and not traced;
      * `:verified`, `:differed`: those that were traced in the background (`verify: :background`) and were the same, or another one;
      * `:programs`: programs that were loaded into an engine, where MLX compiles them;
      * functions that were traced, which takes less time than to load a program, by the reason: `:function`, it is new;
        `:arguments`, it was traced only for arguments of other types, shapes or names, or for other options; `:captured`, it captured
        other values; `:process`, another process traced it, and functions that it calls hold a pid or a reference; `:forgotten`, it was not
        used for a long time.

    A function that is traced again uses the program that is loaded already, unless its graph is another one.
    """
    @spec stats() :: %{atom => non_neg_integer}
    defdelegate stats(), to: Cache, as: :counts

    @doc false
    @impl true
    def __jit__(function, variables, trace, arguments_list, options) do
      {compiled, captured} = compiled(function, variables, trace, options)
      run(compiled, captured, arguments_list, options)
    end

    @doc false
    @impl true
    def __compile__(function, variables, trace, options) do
      {compiled, captured} = compiled(function, variables, trace, options)
      fn arguments_list -> run(compiled, captured, arguments_list, options) end
    end

    @doc false
    @impl true
    def __partitions_options__(options),
      do: List.duplicate(options, Keyword.get(options, :max_concurrency, 1))

    @doc false
    @impl true
    def __to_backend__(options), do: {Davit.Backend, Keyword.take(options, [:engine])}

    @doc false
    @impl true
    def __shard_jit__(_function, _mesh, _variables, _trace, _arguments_list, _options) do
      raise ArgumentError,
            "Davit has no sharding: an engine computes on one device. Run the function once for each part, " <>
              "or use Nx.Serving with partitions"
    end

    defp run(compiled, captured, arguments_list, options) do
      hooks = Keyword.get(options, :hooks, %{})
      options = Keyword.take(options, [:timeout])

      for arguments <- arguments_list,
          do: Compiled.run(compiled, arguments, captured, hooks, options)
    end

    # The compiled function, and the tensors that the one at hand captured.
    defp compiled(function, variables, trace, options) do
      engine = Keyword.get(options, :engine, Davit.Engine)
      {environment, captured} = Key.of(function)
      {templates, _} = Key.of(variables)
      key = {{engine, Key.function(function)}, environment, templates}

      compiled =
        Cache.fetch(key, fn -> Name.of(function) end, fn reason ->
          label = Name.of(function)
          metadata = fn -> %{engine: engine, function: label, reason: reason} end
          lower = fn -> Compiled.lower(engine, trace, variables, captured, label) end
          target = %{key: key, captured: captured, label: label}
          Davit.Telemetry.span(:compile, metadata, fn -> Store.fetch(options, target, lower) end)
        end)

      {compiled, captured}
    end
  end
end
