if Code.ensure_loaded?(Nx) do
  defmodule Davit.Nx.Compiler.Store do
    @moduledoc false
    # Compiled functions in the store of the engine. What is kept beside the program is what a run needs: inputs, results, and the hooks with
    # the functions that they have themselves. A function is kept as its module, unique, index and environment, which is what the
    # external term format has of it; the key holds the code, so it is the same function wherever it is found.

    require Logger
    alias Davit.Program
    alias Davit.Nx.Compiler.{Cache, Code, Compiled, Key}
    alias Nx.Tensor, as: T

    @typedoc "What is compiled: its key in this VM, the tensors that it captured, and its name."
    @type target :: %{
            key: {{Davit.Engine.name(), function :: term}, environment :: term, templates :: term},
            captured: [Nx.Tensor.t()],
            label: String.t()
          }

    @doc "A compiled function from the store; or that of what `lower` gives, which is kept if it can be."
    @spec fetch(keyword, target, (() -> {Davit.Graph.t() | nil, Compiled.t()})) ::
            {:traced | :stored, Compiled.t()}
    def fetch(options, target, lower) do
      case settings!(options) do
        nil -> {:traced, Compiled.load(lower.())}
        settings -> load_or_keep(target, settings, lower)
      end
    end

    defp settings!(options) do
      case Keyword.get_lazy(options, :store, fn -> Application.get_env(:davit, :store, false) end) do
        false ->
          nil

        true ->
          []

        path when is_binary(path) ->
          [path: path]

        other ->
          (is_list(other) and other != [] and Enum.all?(other, &setting?/1)) ||
            raise ArgumentError,
                  "the option :store is #{Davit.Show.show(other)}; expected true, false or the path of a folder, or a list of " <>
                    "key: term, path: folder and verify: :background"

          other
      end
    end

    defp setting?({:key, _}), do: true
    defp setting?({:path, path}), do: is_binary(path)
    defp setting?({:verify, verify}), do: verify in [false, :background]
    defp setting?(_), do: false

    defp load_or_keep(%{key: {{engine, _}, _, _}, label: label} = target, settings, lower) do
      parts = parts(target, settings[:key])
      name = "nx " <> Base.encode16(Code.hash(parts), case: :lower)
      # The engine has another working directory.
      folder = settings[:path] && Path.expand(settings[:path])
      place = [engine: engine, folder: folder]

      with {program, note} <- Program.load_kept(name, place),
           {:ok, compiled} <- decode(note) do
        compiled = Compiled.with_program(%{compiled | engine: engine}, program)
        if settings[:verify] == :background, do: verify_later(name, place, target, compiled, lower)
        {:stored, compiled}
      else
        _ ->
          explain(label, parts)
          compiled = Compiled.load(lower.())
          keep(name, folder, label, compiled)
          {:traced, compiled}
      end
    end

    defp parts(%{key: {{engine, function}, environment, templates}, captured: captured}, term) do
      [
        engine: Code.hash(engine),
        function: Code.hash(function),
        captured: Code.hash(Key.portable(environment, captured)),
        arguments: Code.hash(templates),
        key: Code.hash(term)
      ] ++ Code.parts()
    end

    # In a process that nobody waits for. A trace finds in it what it would find here.
    defp verify_later(name, place, %{key: key, label: label}, compiled, lower) do
      backend = Nx.default_backend()
      defaults = Nx.Defn.default_options()

      spawn(fn ->
        Process.flag(:priority, :low)
        Nx.default_backend(backend)
        Nx.Defn.default_options(defaults)
        metadata = fn -> %{engine: place[:engine], function: label} end

        Davit.Telemetry.span(:verify, metadata, fn ->
          if same?(compiled, lower),
            do: Cache.count(:verified),
            else: forget(name, place, key, label)
        end)
      end)
    end

    defp forget(name, place, key, label) do
      Cache.count(:differed)
      Program.forget_kept(name, place)
      Cache.forget(key, label)

      Logger.warning(
        "Davit's store had another program of #{label} than the function is now: results so far are those of the old one"
      )
    end

    defp same?(compiled, lower) do
      Compiled.same?(lower.(), compiled)
    rescue
      # The next call raises it.
      _ -> false
    end

    defp keep(_name, _folder, _label, %{program: nil}), do: :ok

    defp keep(name, folder, label, compiled) do
      kept = %{compiled | program: nil}

      cond do
        Key.bound?({kept.inputs, kept.template, kept.calls}, &elsewhere?/1) ->
          transient(label, "a hook, a call or a tensor in it belongs to this process or engine")

        not Program.keep(compiled.program, name, :erlang.term_to_binary(kept), folder) ->
          transient(label, "it has large constants")

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

    defp transient(label, reason) do
      Logger.debug("Davit keeps no program of #{label}: #{reason}")
    end

    # Which part of the key differs from that of the function of this name that was looked for last in this VM.
    defp explain(label, parts) do
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
