if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Store do
    @moduledoc false
    # Compiled functions in the store of the engine. What is kept beside the program is what a run needs: inputs, results, and the hooks with
    # the functions that they have themselves. A function is kept as its module, unique, index and environment, which is what the
    # external term format has of it; the key holds the code, so it is the same function wherever it is found.

    require Logger
    alias Davit.{Backend, Program, Tensor}
    alias Davit.Nx.Compiler.{Cache, Code, Compiled, Key, Name}
    alias Nx.Tensor, as: T

    @type target ::
            {Davit.Engine.name(), fun, environment :: term, [Nx.Container.t()], [Nx.Tensor.t()]}

    @doc "A compiled function from the store; or the one that `make` makes, which is kept if it can be."
    @spec fetch(keyword, target, (() -> Compiled.t())) :: {:traced | :stored, Compiled.t()}
    def fetch(options, {engine, function, _, _, captured} = target, make) do
      case Keyword.get_lazy(options, :store, fn -> Application.get_env(:davit, :store, false) end) do
        false ->
          {:traced, make.()}

        store when store == true or is_list(store) ->
          if Enum.any?(captured, &in_engine?/1) do
            transient(function, "it captured a tensor that is in an engine; pass it as an argument")
            {:traced, make.()}
          else
            fetch(engine, function, parts(store, target), make)
          end

        other ->
          raise ArgumentError,
                "the option :store is #{Davit.Show.show(other)}; expected true, false or [key: term]"
      end
    end

    defp fetch(engine, function, parts, make) do
      name = "nx " <> Base.encode16(Code.hash(parts), case: :lower)

      with {program, note} <- Program.load_kept(name, engine: engine),
           {:ok, compiled} <- decode(note) do
        {:stored, Compiled.with_program(%{compiled | engine: engine}, program)}
      else
        _ ->
          explain(function, parts)
          compiled = make.()
          keep(name, function, compiled)
          {:traced, compiled}
      end
    end

    defp parts(store, {engine, function, environment, variables, _}) do
      {templates, _} = Key.of(variables)
      options = if is_list(store), do: Keyword.fetch!(store, :key), else: nil

      [
        engine: Code.hash(engine),
        function: Code.hash(Key.function(function)),
        captured: Code.hash(environment),
        arguments: Code.hash(templates),
        key: Code.hash(options)
      ] ++ Code.parts()
    end

    defp in_engine?(%T{data: %Backend{value: %Tensor{data: nil}}}), do: true
    defp in_engine?(_), do: false

    defp keep(_name, _function, %{program: nil}), do: :ok

    defp keep(name, function, compiled) do
      kept = %{compiled | program: nil}

      cond do
        not plain?({kept.inputs, kept.template, kept.calls}) ->
          transient(function, "a hook, a call or a tensor in it belongs to this process or engine")

        not Program.keep(compiled.program, name, :erlang.term_to_binary(kept)) ->
          transient(function, "it has large constants")

        true ->
          :ok
      end
    end

    defp decode(note) do
      case :erlang.binary_to_term(note) do
        %Compiled{} = compiled -> {:ok, compiled}
        _ -> :error
      end
    rescue
      ArgumentError -> :error
    end

    # Whether a term means the same in another VM.
    defp plain?(%T{data: %backend{}} = tensor),
      do: backend in [Nx.BinaryBackend, Nx.TemplateBackend] and plain?(tensor.names)

    defp plain?([head | tail]), do: plain?(head) and plain?(tail)
    defp plain?(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> plain?()
    defp plain?(map) when is_map(map), do: map |> :maps.to_list() |> plain?()

    defp plain?(fun) when is_function(fun) do
      case Function.info(fun, :type) do
        {:type, :external} -> true
        {:type, :local} -> fun |> Function.info(:env) |> elem(1) |> plain?()
      end
    end

    defp plain?(term), do: not (is_pid(term) or is_port(term) or is_reference(term))

    defp transient(function, reason) do
      Logger.debug("Davit keeps no program of #{Name.of(function)}: #{reason}")
    end

    # Which part of the key differs from that of the function of this name that was looked for last in this VM.
    defp explain(function, parts) do
      label = Name.of(function)
      other = Cache.noted({:parts, label}) || parts
      differ = for {part, hash} <- parts, other[part] != hash, do: part
      Cache.note({:parts, label}, parts)

      Logger.debug(
        "Davit's store has no program of #{label}" <>
          if(differ == [], do: "", else: "; since the last one differs: #{Enum.join(differ, ", ")}")
      )
    end
  end
end
