defmodule Davit do
  @moduledoc """
  Runs tensor programs in an engine of its own, an operating system process next to this VM, and streams
  what hooks see while they run.

      alias Davit.Graph, as: G

      graph =
        G.build([{:float32, {3}}], fn x ->
          x |> G.multiply(2) |> G.hook("doubled") |> G.sum()
        end)

      program = Davit.load(graph)
      hooks = [{"doubled", fn event -> IO.inspect(event.values) end}]
      [sum] = Davit.run(program, [[1, 2, 3]], hooks: hooks)
      Davit.Tensor.to_list(sum)
      #=> 12.0

  The engine starts by itself; see `Davit.Engine`. What the engine refuses raises `Davit.EngineError`.
  """

  alias Davit.{Engine, EngineError, Graph, Program, Run, Tensor}
  alias Davit.Engine.Request

  @doc "Starts an engine, see `Davit.Engine`. Without it the default engine starts when it is first needed."
  @spec start_link(keyword) :: Supervisor.on_start()
  defdelegate start_link(options \\ []), to: Engine

  @doc "Loads a graph into an engine. See `Davit.Program.load/2` for the options."
  @spec load(Graph.t() | binary, keyword) :: Program.t()
  defdelegate load(graph, options \\ []), to: Program

  @doc """
  Runs a program and gives its outputs.

  An input is a `Davit.Tensor`, a number or nested list, or a binary of the values.

  Handlers run in the calling process, while it waits, in the order in which things happen. When one raises, the
  run is cancelled and the exception raised from here. A handler may run programs on the same engine.

  Options:

    * `:hooks`: `[{match, fun}]` or `[{match, fun, policy: ..., view: ...}]`, see `Davit.Hooks.Watch`; `fun` gets
      a `Davit.Hooks.Event`;
    * `:callbacks`: `[{match, fun}]` for `call` nodes; `fun` gets an event and returns the result: a tensor, number
      or nested list, or a tuple of as many as the call has results;
    * `:replay`: a `Davit.Replay`, whose recorded replies take the place of handlers of calls;
    * `:print`: `false` to silence prints, which otherwise go to the caller's group leader;
    * `:timeout`: milliseconds, default `:infinity`; the run is cancelled when it passes. It covers waiting for an
      engine that is starting;
    * `:fetch`: outputs up to this many bytes come with the answer and live here alone (default 4096, 0 for
      none); larger ones stay in the engine until they are read;
    * `:keep`: `true` to keep all outputs in the engine;
    * `:queue`: a positive number; runs of one queue go one after the other. Default: a queue for each calling process.

  Raises `Davit.EngineError`; `ArgumentError` for inputs and options that are none. However it ends, nothing of it stays in
  the caller's mailbox, and what it had begun in the engine is cancelled.
  """
  @spec run(Program.t(), [Run.Inputs.input()], keyword) :: [Tensor.t()]
  def run(%Program{} = program, inputs, options \\ []) when is_list(inputs) do
    [outputs] = Run.many(program, [inputs], options)
    outputs
  end

  @doc """
  Runs a program once for each list of inputs, without waiting for one before the next is sent. Gives the
  outputs in the same order. Options are those of `run/3`; the first error ends them all.
  """
  @spec run_many(Program.t(), [[Run.Inputs.input()]], keyword) :: [[Tensor.t()]]
  def run_many(%Program{} = program, inputs, options \\ []) when is_list(inputs) do
    Run.many(program, inputs, options)
  end

  @doc """
  Runs a program in a task, which has the caller's group leader and ends with the caller. Its handlers run
  in the task. `await/2` gives what the run gives, or raises what it raised. Options are those of `run/3`.
  """
  @spec async(Program.t(), [Run.Inputs.input()], keyword) :: Task.t()
  def async(%Program{} = program, inputs, options \\ []) do
    Task.async(fn ->
      try do
        {:ok, run(program, inputs, options)}
      catch
        kind, reason -> {kind, reason, __STACKTRACE__}
      end
    end)
  end

  @doc "The outputs of `async/3`. Raises what the run raised."
  @spec await(Task.t(), timeout) :: [Tensor.t()]
  def await(%Task{} = task, timeout \\ :infinity) do
    case Task.await(task, timeout) do
      {:ok, outputs} -> outputs
      {kind, reason, stack} -> :erlang.raise(kind, reason, stack)
    end
  end

  @doc """
  Names the tensors of a .safetensors file on the engine's machine. Each is read when it is first needed.

  A relative path is one of this VM's working directory. `names` are those to open. Options: `:engine`. Raises `Davit.EngineError`.
  """
  @spec open_file(Path.t(), [String.t()], keyword) :: %{String.t() => Tensor.t()}
  def open_file(path, names, options \\ []) do
    Davit.Options.check!(options, [:engine])
    session = Engine.session!(options[:engine] || Engine)
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
      :error -> raise %EngineError{code: :protocol, message: "a file's tensor has no type"}
    end
  end
end
