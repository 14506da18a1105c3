defmodule Davit.Run do
  @moduledoc false
  # Checks the arguments of `Davit.run/3` and sends runs. `Davit.Run.Loop` receives the answers.

  alias Davit.{Deadline, EngineError, Msgpack, Options, Program, Telemetry, Tensor, Type}
  alias Davit.Engine.{Exchange, Request, Session}
  alias Davit.Run.{Arguments, Handlers, Inputs, Loop, Plain}

  @options [:hooks, :callbacks, :replay, :print, :timeout, :fetch, :keep, :queue, :donate]
  @fetch 4096
  # The bytes that fit into an engine's answer.
  @answer_bytes 16 * 1024 * 1024

  @typedoc "The data that the runs of one call share."
  @type t :: %{
          session: Session.t(),
          program: Program.t(),
          handlers: Handlers.t(),
          queue: pos_integer,
          fetch: non_neg_integer,
          keep: boolean,
          donate: [non_neg_integer],
          sending: (() -> term),
          options: map,
          timeout: timeout,
          deadline: Deadline.t()
        }

  @doc """
  Runs the program once for each list of inputs. Returns the outputs of each run, in order. If there are options,
  `sending` is called before each run is sent, when its arguments have been checked.
  """
  @spec many(Program.t(), [Arguments.t()], keyword, (() -> term)) :: [[Tensor.t()]]
  def many(%Program{} = program, inputs, options, sending \\ fn -> :ok end) do
    # A run is short: without :telemetry no function is made for it.
    if Telemetry.loaded?() do
      metadata = %{
        engine: Davit.Engine.Name.of(program.engine),
        program: program.hash,
        runs: length(inputs)
      }

      Telemetry.span(:run, fn -> metadata end, fn ->
        start(program, inputs, options, sending)
      end)
    else
      start(program, inputs, options, sending)
    end
  end

  defp start(program, inputs, options, sending),
    do: in_order(program, Enum.map(inputs, &Arguments.in_order!(&1, program)), options, sending)

  defp in_order(program, [inputs], [], sending) do
    # A run that is made in a handler has a parent, so it is not plain.
    case Process.get(parent_key(program.engine)) || Plain.run(program, inputs) do
      outputs when is_list(outputs) -> [outputs]
      _ -> run(program, [inputs], [], sending)
    end
  end

  defp in_order(program, inputs, options, sending), do: run(program, inputs, options, sending)

  defp run(program, inputs, options, sending) do
    run = new(program, options, sending)

    try do
      Loop.execute(run, inputs)
    rescue
      error in EngineError ->
        if error.code == :memory_exhausted and run.donate == [] and silent?(program) do
          Davit.Collector.reclaim(run.session)
          Loop.execute(run, inputs)
        else
          reraise error, __STACKTRACE__
        end
    end
  end

  # A program without hooks and callbacks has no visible effects, so it may be run again after a failure.
  defp silent?(program), do: Enum.all?(program.sites, &(&1.kind == :node))

  @spec new(Program.t(), keyword, (() -> term)) :: t
  defp new(program, options, sending) do
    Options.check!(options, @options)
    timeout = Request.timeout!(options)

    fetch =
      Options.get!(options, :fetch, @fetch, "a number of bytes", &(is_integer(&1) and &1 >= 0))

    keep = Options.get!(options, :keep, false, "true or false", &is_boolean/1)
    print = Options.get!(options, :print, true, "true or false", &is_boolean/1)
    queue = Options.get!(options, :queue, nil, "a positive integer", &(is_integer(&1) and &1 > 0))
    donate = Options.get!(options, :donate, [], donate_expected(program), &donate?(&1, program))
    replay = Options.get!(options, :replay, nil, "a Davit.Replay", &is_struct(&1, Davit.Replay))
    handlers = Handlers.new(options, program.handlers)
    # The timeout includes the start of the engine.
    deadline = Deadline.new(timeout)
    session = Program.session!(program, timeout)

    %{
      session: session,
      program: program,
      queue: queue || Session.queue(session),
      handlers: handlers,
      fetch: fetch,
      keep: keep,
      donate: donate,
      sending: sending,
      options: session |> wire_options(fetch, handlers, print) |> replay(replay, session),
      timeout: timeout,
      deadline: deadline
    }
  end

  defp donate_expected(program),
    do: "a list of positions of the program's #{length(program.inputs)} inputs"

  defp donate?(positions, program) do
    count = length(program.inputs)
    is_list(positions) and Enum.all?(positions, &(is_integer(&1) and &1 in 0..(count - 1)//1))
  end

  defp wire_options(session, fetch, handlers, print) do
    wire = %{fetch: fetch}
    wire = if handlers.specs == [], do: wire, else: Map.put(wire, :hooks, handlers.specs)
    wire = if print, do: wire, else: Map.put(wire, :print, false)

    case Process.get(parent_key(session.name)) do
      {instance, parent} when instance == session.instance -> Map.put(wire, :parent, parent)
      _ -> wire
    end
  end

  defp replay(wire, nil, _session), do: wire

  defp replay(wire, replay, session),
    do: Map.put(wire, :replay, Davit.Replay.id!(replay, session))

  @doc """
  Returns the key in the process dictionary under which a process that executes a handler keeps the run, as `{instance,
  request}`.
  """
  @spec parent_key(atom) :: term
  def parent_key(engine), do: {__MODULE__, engine}

  @doc """
  Sends one run. Returns the number of its request and its outputs, those in the engine with a reference, for
  `outputs/3`.
  """
  @spec start_one(t, Exchange.t(), [Inputs.input()]) ::
          {:ok, pos_integer, [Tensor.t()]} | {:error, EngineError.t()}
  def start_one(%{session: session} = run, exchange, inputs) do
    Arguments.check_count!(inputs, run.program)

    {operands, attachments, alive} =
      Inputs.to_wire(inputs, run.program.inputs, session, &Arguments.title(run.program, &1))

    {outputs, _} = Enum.map_reduce(run.program.outputs, @answer_bytes, &output(&1, &2, run))
    ids = Enum.map(outputs, &(&1.ref && &1.ref.id))
    options = run |> options() |> donate(run.donate, inputs)
    header = Msgpack.encode(["run", run.queue, run.program.id, operands, ids, options])
    run.sending.()
    sent = Exchange.request(exchange, :run, header, attachments)
    # The tensors have to be alive until here, or they might be freed before the engine has the run.
    Tensor.touch(alive)
    with {:ok, request} <- sent, do: {:ok, request, outputs}
  end

  # A tensor that has its values in this VM is used again from there.
  defp donate(options, positions, inputs) do
    case Enum.filter(positions, &match?(%Tensor{data: nil}, Enum.at(inputs, &1))) do
      [] -> options
      positions -> Map.put(options, :donate, positions)
    end
  end

  # The engine enforces the timeout too, as this process may be in a handler when the time is over.
  defp options(%{deadline: :infinity} = run), do: run.options
  defp options(run), do: Map.put(run.options, :timeout, max(1, left(run)))

  # The values of a small output are sent with the answer, as long as there is room. A larger output stays in the engine.
  defp output(type, room, run) do
    bytes = Type.byte_size(type)

    if bytes <= run.fetch and bytes <= room and not run.keep do
      {%Tensor{type: type}, room - bytes}
    else
      {%Tensor{type: type, ref: Tensor.Ref.new(run.session, bytes)}, room}
    end
  end

  @doc "Returns the outputs of a run, with the values that came with its answer. Raises `Davit.EngineError`."
  @spec outputs([Tensor.t()], [nil | non_neg_integer], Frame.attachments()) :: [Tensor.t()]
  def outputs([], [], _), do: []

  def outputs([%{ref: ref} = tensor | tensors], [nil | values], attachments) when ref != nil,
    do: [tensor | outputs(tensors, values, attachments)]

  # A small value is copied, so that it does not keep the whole frame in memory.
  def outputs([tensor | tensors], [index | values], attachments)
      when is_integer(index) and index < tuple_size(attachments) do
    bytes = elem(attachments, index)
    data = if byte_size(bytes) <= @fetch, do: :binary.copy(bytes), else: bytes
    [%{tensor | data: data} | outputs(tensors, values, attachments)]
  end

  def outputs(_, values, _),
    do: raise(Request.protocol("`run` was answered with the values #{Davit.Show.show(values)}"))

  @doc "Returns how many milliseconds a run has left."
  @spec left(t) :: timeout
  def left(run), do: Deadline.left(run.deadline)
end
