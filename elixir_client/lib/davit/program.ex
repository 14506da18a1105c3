defmodule Davit.Program do
  @moduledoc """
  A graph that an engine has loaded.

    * `inputs`, `outputs`: the types of its inputs and outputs;
    * `input_names`: the names of its parameters, nil if they have none;
    * `sites`: the nodes whose values can be observed, see `Davit.Hooks.Site`;
    * `hash`: the SHA-256 of the graph, in hex;
    * `handlers`: the functions of hooks and callbacks of the graph; every run calls them.

  A program outlives its engine: the client keeps the graph and the tensors that are bound to it, and loads them again
  when the program is run on an engine that was restarted. It is unloaded once no term of this VM refers to it.
  """

  alias Davit.{Collector, Deadline, EngineError, Graph, Tensor, Type}
  alias Davit.Engine.{Loader, Lookup, Request, Session}
  alias Davit.Hooks.Site

  @enforce_keys [:id, :token, :engine, :node, :instance, :graph, :hash, :inputs, :outputs]
  defstruct [
    :id,
    :token,
    :engine,
    :node,
    :instance,
    :graph,
    :hash,
    :inputs,
    :outputs,
    :input_names,
    bindings: %{constants: %{}, externals: %{}},
    sites: [],
    handlers: [],
    by_number: %{}
  ]

  @typedoc "The tensors that are bound to values of a graph: constants by the hash of their bytes in hex, externals by name."
  @type bindings :: %{
          constants: %{String.t() => Tensor.t()},
          externals: %{String.t() => Tensor.t()}
        }

  @type t :: %__MODULE__{
          id: pos_integer,
          token: binary,
          engine: atom,
          node: node,
          instance: pos_integer,
          graph: binary,
          hash: String.t(),
          inputs: [Type.t()],
          outputs: [Type.t()],
          input_names: [String.t()] | nil,
          bindings: bindings,
          sites: [Site.t()],
          handlers: [Graph.handler()],
          by_number: %{non_neg_integer => Site.t()}
        }

  @doc """
  Loads a graph: a `Davit.Graph` or its canonical bytes.

  Options:

    * `:engine`: the name of the engine;
    * `:constants`: the tensors of large constants, by their hash in hex. Those of a `Davit.Graph` need not be given, those of
      bytes have to be;
    * `:externals`: the tensors of the graph's externals, by name;
    * `:sites`: which nodes the program lists: `:all`, the default, or `:calling`, hooks, prints and callbacks, and one of the others if there are
      any. Of a graph of thousands of nodes with labels the list takes as long as the rest of loading;
    * `:timeout`: in milliseconds, default `:infinity`. It includes waiting for an engine that is starting.

  Raises `Davit.EngineError`.
  """
  @spec load(Graph.t() | binary, keyword) :: t
  def load(graph, options \\ []) do
    Davit.Options.check!(options, [:engine, :constants, :externals, :sites, :timeout])
    timeout = Request.timeout!(options)
    Davit.Options.get!(options, :sites, :all, ":all or :calling", &(&1 in [:all, :calling]))

    is_binary(graph) or is_struct(graph, Graph) ||
      raise ArgumentError, "expected a Davit.Graph or its bytes, got #{Davit.Show.show(graph)}"

    bytes = if is_binary(graph), do: graph, else: Graph.to_binary(graph)

    metadata = fn ->
      %{engine: Lookup.named(options), hash: Graph.hash(bytes), bytes: byte_size(bytes)}
    end

    Davit.Telemetry.span(:load, metadata, fn -> load(graph, bytes, timeout, options) end)
  end

  defp load(graph, bytes, timeout, options) do
    # The timeout covers an engine that is starting.
    deadline = Deadline.new(timeout)
    session = Lookup.session_for!(options, timeout)

    bindings = %{
      constants: Map.merge(constants(graph), options[:constants] || %{}),
      externals: options[:externals] || %{}
    }

    {id, token} = Collector.mint(session, :program, engine_bytes(bytes, bindings))
    {message, sent} = message(id, bindings, session)
    brief = if options[:sites] == :calling, do: [true], else: []
    answer = Request.call(session, message ++ brief, [bytes], Deadline.left(deadline))
    Tensor.touch({sent, token})

    with {:ok, result, _} <- answer,
         {:ok, program} <- loaded(result, {id, token}, bytes, session) do
      %{program | bindings: bindings, handlers: handlers(graph)}
    else
      {:error, error} -> raise error
      other -> raise Request.protocol("`load` was answered with #{Davit.Show.show(other)}")
    end
  end

  @doc false
  # The program that the engine's store has by a name, with its calling sites, and the note that it was kept with; nil where it has none.
  @spec load_kept(String.t(), keyword) :: {t, binary} | nil
  def load_kept(name, options) do
    session = Lookup.session_for!(options, :infinity)
    {id, token} = Collector.mint(session, :program, 0)
    answer = Request.call(session, ["load_kept", id, name, nil, true, options[:folder]])
    Tensor.touch(token)

    with {:ok, %{"graph" => graph, "note" => note} = result, attachments} <- answer,
         bytes = :binary.copy(elem(attachments, graph)),
         {:ok, program} <- loaded(result, {id, token}, bytes, session) do
      {program, :binary.copy(elem(attachments, note))}
    else
      {:error, %EngineError{code: :program_unkept}} -> nil
      {:error, error} -> raise error
      other -> raise Request.protocol("`load_kept` was answered with #{Davit.Show.show(other)}")
    end
  end

  @doc false
  # Keeps the program in the engine's store, or the one in a folder; false where it cannot be kept.
  @spec keep(t, String.t(), binary, Path.t() | nil) :: boolean
  def keep(%__MODULE__{} = program, name, note, folder \\ nil) do
    answer = Request.call(session!(program), ["keep", program.id, name, folder], [note])
    Tensor.touch(program)

    case answer do
      {:ok, kept?, _} -> kept?
      {:error, error} -> raise error
    end
  end

  @doc false
  # Has the engine's store forget what it keeps by a name.
  @spec forget_kept(String.t(), keyword) :: :ok
  def forget_kept(name, options) do
    session = Lookup.session_for!(options, :infinity)
    Session.notify(session, 0, ["forget_kept", name, options[:folder]])
  end

  defp loaded(result, {id, token}, bytes, session) do
    with %{"hash" => hash, "inputs" => inputs, "outputs" => outputs} <- result,
         {:ok, inputs} <- types(inputs),
         {:ok, outputs} <- types(outputs) do
      sites = Site.list_from_wire(result)

      program = %__MODULE__{
        id: id,
        token: token,
        engine: session.name,
        node: node(),
        instance: session.instance,
        graph: bytes,
        hash: :binary.copy(hash),
        inputs: inputs,
        outputs: outputs,
        input_names: names(result["input_names"]),
        sites: sites,
        by_number: Map.new(sites, &{&1.number, &1})
      }

      {:ok, program}
    end
  end

  defp constants(%Graph{constants: constants}) do
    for {hash, {type, bytes}} <- constants, into: %{}, do: {hash, %Tensor{type: type, data: bytes}}
  end

  defp constants(_bytes), do: %{}

  # The engine keeps what it was sent for a program as long as the program. Tensors that are there are counted already.
  defp engine_bytes(graph, bindings) do
    sizes =
      for {_, tensors} <- bindings,
          {_, %Tensor{ref: nil, type: type}} <- tensors,
          do: Type.byte_size(type)

    byte_size(graph) + Enum.sum(sizes)
  end

  defp names(names) when is_list(names), do: Enum.map(names, &:binary.copy/1)
  defp names(_), do: nil

  defp handlers(%Graph{handlers: handlers}), do: handlers
  defp handlers(_bytes), do: []

  @doc false
  # The message that loads a program, and the tensors that are bound to its values, in the engine. They have to be alive
  # until it is in the port; the engine's program keeps what it needs of them.
  @spec message(pos_integer, bindings, Session.t()) :: {list, [%{String.t() => Tensor.t()}]}
  def message(id, %{constants: constants, externals: externals}, session) do
    sent = for tensors <- [constants, externals], do: put_all(tensors, session)
    ids = for tensors <- sent, do: Map.new(tensors, &tensor_id(&1, session))
    {["load", id | ids], sent}
  end

  defp put_all(tensors, session),
    do: Map.new(tensors, fn {name, tensor} -> {name, Tensor.put(tensor, session)} end)

  defp tensor_id({name, tensor}, session), do: {name, Tensor.fetch_ref!(tensor, session)}

  defp types(types) do
    parsed = Enum.map(types, &Type.from_wire/1)
    if Enum.all?(parsed, &(&1 != :error)), do: {:ok, Enum.map(parsed, &elem(&1, 1))}, else: types
  end

  @doc false
  # The session to run it in; loaded there again if the engine was started again since.
  @spec session!(t, timeout) :: Session.t()
  def session!(%__MODULE__{} = program, timeout \\ :infinity) do
    if program.node != node() do
      message = "the program lives on node #{program.node}; load its graph here"
      raise %EngineError{code: :program_foreign, message: message}
    end

    deadline = Deadline.new(timeout)
    session = Davit.Engine.session!(program.engine, timeout)

    # The ids of a session are its own, so the program keeps its number.
    with true <- session.instance != program.instance,
         {:error, error} <- Loader.load(program, session, Deadline.left(deadline)) do
      # Nothing was run yet: an engine that went away meanwhile is no concern of the run.
      if Session.alive?(session), do: raise(error)
      session!(program, Deadline.left(deadline))
    else
      _ -> session
    end
  end

  @doc false
  # The session that all of them are to be used in.
  @spec session_of_all!([t, ...], timeout) :: Session.t()
  def session_of_all!(programs, timeout) do
    case programs |> Enum.map(&session!(&1, timeout)) |> Enum.uniq_by(& &1.instance) do
      [session] ->
        session

      [] ->
        raise ArgumentError, "expected one or more programs, got none"

      _ ->
        message = "the programs are of several engines; expected one"
        raise %EngineError{code: :program_foreign, message: message}
    end
  end

  @doc false
  @spec unload(Session.t(), pos_integer) :: :ok
  def unload(session, id) do
    Loader.forget(session.name, id)
    Session.notify(session, 0, ["unload", id])
  end

  defimpl Inspect do
    def inspect(program, _options) do
      hash = String.slice(program.hash, 0, 8)
      inputs = Type.format_all(program.inputs, program.input_names)
      "#Davit.Program<#{hash} (#{inputs}) -> (#{Type.format_all(program.outputs)})>"
    end
  end
end
