defmodule Davit do
  @moduledoc """
  Runs tensor programs in an engine, an operating system process next to this VM, and streams the values of hooks while
  they run.

      alias Davit.Graph, as: G

      graph =
        G.build([x: {:f32, {3}}], fn x ->
          x |> G.multiply(2) |> G.hook("doubled") |> G.sum()
        end)

      program = Davit.load(graph)
      hooks = [{"doubled", fn event -> IO.inspect(Davit.Hooks.Event.to_list(event)) end}]
      [sum] = Davit.run(program, [x: [1, 2, 3]], hooks: hooks)
      Davit.Tensor.to_list(sum)
      #=> 12.0

  The engine starts by itself; see `Davit.Engine`.

  ## Errors

  One rule holds for all public functions:

    * A function that computes, loads or reads raises `Davit.EngineError` when it fails, as Nx does: the functions of
      this module, of `Davit.Tensor`, `Davit.Model` and `Davit.Embedder`, and `Davit.Engine.info/1`.
    * A function that starts, ends or awaits something that lives on by itself returns `:ok` or `{:ok, value}`, or
      `{:error, exception}`, as OTP does, because its caller handles the failure: `Davit.Engine.start_link/1`,
      `Davit.Engine.await/2`, `Davit.State.start_link/2`, `Davit.Hooks.subscribe/2`, `Davit.Recording.start/3` and `Davit.Recording.stop/1`,
      `Davit.Replay.open/2` and `Davit.Replay.close/1`.
    * An argument or option that is invalid in itself raises `ArgumentError` in all of them.
  """

  alias Davit.{Engine, EngineError, Graph, Program, Run, Tensor}
  alias Davit.Engine.{Lookup, Request}

  @typedoc "An input of a run: a tensor, a number or nested list, or a binary of the values."
  @type input :: Tensor.t() | Tensor.nested() | binary

  @typedoc "The inputs of a run: in the order of the parameters, or by their names."
  @type inputs ::
          [input] | [{atom | String.t(), input}] | %{optional(atom | String.t()) => input}

  @session_memory [:session, :client, :own, :tensors, :programs, :bytes, :typed, :peak, :models]

  @doc "Starts an engine, see `Davit.Engine`. Without it the default engine starts when it is first needed."
  @spec start_link(keyword) :: Supervisor.on_start()
  defdelegate start_link(options \\ []), to: Engine

  @doc "Loads a graph into an engine. See `Davit.Program.load/2` for the options."
  @spec load(Graph.t() | binary, keyword) :: Program.t()
  defdelegate load(graph, options \\ []), to: Program

  @doc """
  Runs a program and returns its outputs.

  Inputs are a list in the order of the parameters; or, if the graph names its parameters, a keyword list or map:

      Davit.run(program, [[1, 2, 3], 4])
      Davit.run(program, x: [1, 2, 3], scale: 4)

  An input is a `Davit.Tensor`, a number or nested list, or a binary of the values.

  Handlers run in the calling process, while it waits, in the order in which things happen. When one raises, the
  run is cancelled and the exception raised from here. A handler may run programs on the same engine.

  Options:

    * `:hooks`: `[{match, fun}]` or `[{match, fun, policy: ..., view: ...}]`, see `Davit.Hooks.SubscriptionSpec`; `fun` gets
      a `Davit.Hooks.Event`;
    * `:callbacks`: `[{match, fun}]` for the nodes of `Davit.Graph.callback/4`; `fun` gets an event and returns the
      result: a tensor, number or nested list, or a tuple of as many as the callback has types;
    * `:replay`: a `Davit.Replay`, whose recorded replies take the place of handlers of callbacks;
    * `:print`: `false` to silence prints, which otherwise go to the caller's group leader;
    * `:timeout`: milliseconds, default `:infinity`; the run is cancelled when it passes. It covers waiting for an
      engine that is starting;
    * `:fetch`: outputs up to this many bytes come with the answer and are kept only in this VM (default 4096, 0 for
      none); larger ones stay in the engine until they are read;
    * `:keep`: `true` to keep all outputs in the engine;
    * `:donate`: positions of inputs that are given to the run: where nothing else has such a tensor, an output may be computed
      in its memory, as with `donate_argnums` of `jax.jit`. A tensor in the engine cannot be used afterwards. See `Davit.State`;
    * `:queue`: a positive number; runs of one queue run one after the other. Default: a queue for each calling process.

  Raises `Davit.EngineError`; `ArgumentError` if an input or option is invalid. However it ends, no message of the run
  stays in the caller's mailbox, and what it had begun in the engine is cancelled.
  """
  @spec run(Program.t(), inputs, keyword) :: [Tensor.t()]
  def run(%Program{} = program, inputs, options \\ []) do
    [outputs] = Run.many(program, [inputs], options)
    outputs
  end

  @doc """
  Runs a program once for each item of a list, which is the inputs of one run, and returns the outputs in the same order.
  The next run is sent before the one before it has ended. Options are those of `run/3`; the first error ends all runs.
  """
  @spec run_many(Program.t(), [inputs], keyword) :: [[Tensor.t()]]
  def run_many(%Program{} = program, inputs, options \\ []) when is_list(inputs) do
    Run.many(program, inputs, options)
  end

  @doc """
  Runs a program in a task. `Task.await/2` and `Task.yield/2` return the outputs. Options are those of `run/3`.

      task = Davit.async(program, [[1, 2, 3]])
      [sum] = Task.await(task)

  It is a task as `Task.async/1` starts it: linked to the caller, which exits too if the run fails. Handlers run in the
  task. Where the task ends early, for example by `Task.shutdown/2`, the engine cancels the run. A caller that is to survive
  a failed run starts the task itself: `Task.Supervisor.async_nolink(supervisor, Davit, :run, [program, inputs])`.
  """
  @spec async(Program.t(), inputs, keyword) :: Task.t()
  def async(%Program{} = program, inputs, options \\ []) do
    Task.async(fn -> run(program, inputs, options) end)
  end

  @doc """
  Names the tensors of a .safetensors file, or the constants of a .mlxfn file, on the engine's machine. Each is read when it is first needed.

  A relative path is one of this VM's working directory. `names` are those to open. Options: `:engine`. Raises `Davit.EngineError`.
  """
  @spec open_file(Path.t(), [String.t()], keyword) :: %{String.t() => Tensor.t()}
  def open_file(path, names, options \\ []) do
    Davit.Options.check!(options, [:engine])
    session = Lookup.session_for!(options)
    refs = Map.new(names, &{&1, Tensor.Ref.new(session, 0)})
    ids = Map.new(refs, fn {name, ref} -> {name, ref.id} end)
    answer = Request.call(session, ["open_file", Path.expand(path), ids])
    Tensor.touch(refs)

    case answer do
      {:ok, types, _} -> Map.new(refs, fn {name, ref} -> {name, opened(types[name], ref)} end)
      {:error, error} -> raise error
    end
  end

  defp opened(wire, ref) do
    case Davit.Type.from_wire(wire) do
      {:ok, type} -> %Tensor{type: type, ref: ref}
      :error -> raise %EngineError{code: :protocol_violated, message: "a file's tensor has no type"}
    end
  end

  @doc """
  Opens a function that MLX exported to a .mlxfn file on the engine's machine, for example from Python. `Davit.ImportedFunction.run/4`
  calls it, with hooks on the values inside it.

  A relative path is one of this VM's working directory. Options: `:engine`. Raises `Davit.EngineError`.
  """
  @spec import_function(Path.t(), keyword) :: Davit.ImportedFunction.t()
  def import_function(path, options \\ []), do: Davit.ImportedFunction.open(path, options)

  @doc """
  Writes programs to a .mlxfn file on the engine's machine: the traces of one function, which MLX runs in Python, C++ or Swift.
  Control flow and callbacks cannot be written; hooks and prints are left out. A relative path is one of this VM's working directory.

      Davit.export_function("classify.mlxfn", [one_row, many_rows], keywords: ["temperature"])

  Returns how many hooks and prints were left out. Options:

    * `:keywords`: names of the last parameters of each program, which are then given by keyword;
    * `:metadata`: a text to be kept in the file;
    * `:shapeless`: whether the function takes inputs of other sizes than those of the programs. Default `false`;
    * `:timeout`: in milliseconds, default `:infinity`. The file may be written after it.

  Raises `Davit.EngineError`, with the code `:export_unsupported` and the op where a node cannot be written.
  """
  @spec export_function(Path.t(), Program.t() | [Program.t(), ...], keyword) ::
          %{hooks_left_out: non_neg_integer}
  def export_function(path, programs, options \\ []) do
    Davit.Options.check!(options, [:keywords, :metadata, :shapeless, :timeout])
    timeout = Request.timeout!(options)
    programs = List.wrap(programs)
    session = Program.session_of_all!(programs, timeout)
    keywords = Enum.map(options[:keywords] || [], &to_string/1)
    traces = Enum.map(programs, &[&1.id, keywords])
    metadata = options[:metadata] || ""
    message = ["export_function", Path.expand(path), traces, metadata, options[:shapeless] == true]
    answer = Request.call(session, message, [], timeout)
    Tensor.touch(programs)

    case answer do
      {:ok, %{"hooks_left_out" => count}, _} -> %{hooks_left_out: count}
      {:error, error} -> raise error
    end
  end

  @typedoc """
  The memory of an engine, in bytes.

    * `:active`: what tensors and temporaries use, each buffer once; `:peak`: the most that this was;
    * `:cached`: what was freed and is kept for reuse;
    * `:limit`, `:cache_limit`: the engine's options, above which an allocation fails, and freed memory is not kept;
    * `:sessions`: the clients of the engine; this VM is one, with `own: true`. `:bytes` are those of the buffers that its tensors and
      the constants of its programs have, each once; `:typed` is what its tensors have by their types, and `:peak` the most that this was;
      `:models` are the paths of the models that it has open;
    * `:models`: the models that are open, by their paths, the bytes of their weights, and how many have them open.

  Memory that several sessions have counts for each of them.
  """
  @type memory :: %{
          active: non_neg_integer,
          peak: non_neg_integer,
          cached: non_neg_integer,
          limit: non_neg_integer,
          cache_limit: non_neg_integer,
          sessions: [
            %{
              session: pos_integer,
              client: String.t(),
              own: boolean,
              tensors: non_neg_integer,
              programs: non_neg_integer,
              bytes: non_neg_integer,
              typed: non_neg_integer,
              peak: non_neg_integer,
              models: [Path.t()]
            }
          ],
          models: [%{path: Path.t(), bytes: non_neg_integer, users: non_neg_integer}]
        }

  @doc """
  Returns the memory of an engine, and who has it. It is looked for among all tensors: with a million of them this takes most of a
  second. Raises `Davit.EngineError`.

      Davit.memory().active
  """
  @spec memory(Engine.name()) :: memory
  def memory(engine \\ Engine) do
    case Request.call(Engine.session!(engine), ["memory"]) do
      {:ok, memory, _} ->
        memory
        |> known([:active, :peak, :cached, :limit, :cache_limit])
        |> Map.merge(%{
          sessions: Enum.map(memory["sessions"], &known(&1, @session_memory)),
          models: Enum.map(memory["models"], &known(&1, [:path, :bytes, :users]))
        })

      {:error, error} ->
        raise error
    end
  end

  defp known(fields, names), do: Map.new(names, &{&1, fields[Atom.to_string(&1)]})

  if Code.ensure_loaded?(Nx) do
    # So that `compiler: Davit` is enough.
    @behaviour Nx.Defn.Compiler

    @doc false
    defdelegate __jit__(function, variables, trace, arguments_list, options), to: Davit.Compiler
    @doc false
    defdelegate __compile__(function, variables, trace, options), to: Davit.Compiler
    @doc false
    defdelegate __partitions_options__(options), to: Davit.Compiler
    @doc false
    defdelegate __to_backend__(options), to: Davit.Compiler
    @doc false
    defdelegate __shard_jit__(function, mesh, variables, trace, arguments_list, options),
      to: Davit.Compiler
  end
end
