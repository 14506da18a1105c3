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
    def fetch(options, target, make) do
      case Keyword.get_lazy(options, :store, fn -> Application.get_env(:davit, :store, false) end) do
        false ->
          {:traced, make.()}

        true ->
          fetch_kept(target, nil, make)

        [key: term] ->
          fetch_kept(target, term, make)

        other ->
          raise ArgumentError,
                "the option :store is #{Davit.Show.show(other)}; expected true, false or [key: term]"
      end
    end

    defp fetch_kept({engine, function, _, _, captured} = target, term, make) do
      if Enum.any?(captured, &in_engine?/1) do
        transient(function, "it captured a tensor that is in an engine; pass it as an argument")
        {:traced, make.()}
      else
        load_or_keep(engine, function, parts(target, term), make)
      end
    end

    defp load_or_keep(engine, function, parts, make) do
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

    defp parts({engine, function, environment, variables, _}, term) do
      {templates, _} = Key.of(variables)

      [
        engine: Code.hash(engine),
        function: Code.hash(Key.function(function)),
        captured: Code.hash(environment),
        arguments: Code.hash(templates),
        key: Code.hash(term)
      ] ++ Code.parts()
    end

    defp in_engine?(%T{data: %Backend{value: %Tensor{data: nil}}}), do: true
    defp in_engine?(_), do: false

    defp keep(_name, _function, %{program: nil}), do: :ok

    defp keep(name, function, compiled) do
      kept = %{compiled | program: nil}

      cond do
        Key.bound?({kept.inputs, kept.template, kept.calls}, &elsewhere?/1) ->
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

    # Whether a tensor is somewhere else than in its term.
    defp elsewhere?(%T{data: %backend{}}),
      do: backend not in [Nx.BinaryBackend, Nx.TemplateBackend]

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
