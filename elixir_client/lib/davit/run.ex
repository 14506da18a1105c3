defmodule Davit.Run do
  @moduledoc false
  # Runs of a program: the calling process sends them, and executes their handlers while it waits.

  alias Davit.{EngineError, Frame, Msgpack, Program, Tensor}
  alias Davit.Engine.{Request, Session}
  alias Davit.Hooks.{Event, Site}
  alias Davit.Run.{Handlers, Inputs, Plain}

  # How many runs are on their way at once where many are made.
  @window 512
  # So many bytes of credit go back at once.
  @prompt 256 * 1024
  # An engine's answer holds at least this much.
  @answer_bytes 16 * 1024 * 1024

  @doc """
  Runs the program once for each list of inputs; gives the outputs of each, in order.
  """
  @spec many(Program.t(), [[Inputs.input()]], keyword) :: [[Tensor.t()]]
  def many(%Program{} = program, inputs, options) do
    if Davit.Telemetry.loaded?(),
      do: observed(program, inputs, options),
      else: start(program, inputs, options)
  end

  defp observed(program, inputs, options) do
    begin = System.monotonic_time()
    metadata = %{engine: program.engine, program: program.hash, runs: length(inputs)}

    try do
      start(program, inputs, options)
    catch
      kind, reason ->
        metadata = Map.merge(metadata, %{kind: kind, reason: reason})
        measurements = %{duration: System.monotonic_time() - begin}
        Davit.Telemetry.execute([:run, :exception], measurements, metadata)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      results ->
        measurements = %{duration: System.monotonic_time() - begin}
        Davit.Telemetry.execute([:run, :stop], measurements, metadata)
        results
    end
  end

  defp start(program, [inputs], []) do
    # In a handler it has a parent.
    nested? = Process.get({__MODULE__, program.engine}) != nil

    case nested? || Plain.run(program, inputs) do
      [_ | _] = outputs -> [outputs]
      _ -> run(program, [inputs], [])
    end
  end

  defp start(program, inputs, options), do: run(program, inputs, options)

  defp run(program, inputs, options) do
    session = Program.session!(program)
    handlers = Handlers.new(options, program.handlers)
    timeout = Keyword.get(options, :timeout, :infinity)
    # Asked for in any case: it makes the owner watch this process.
    own_queue = Session.queue(session)

    run = %{
      session: session,
      program: program,
      queue: options[:queue] || own_queue,
      handlers: handlers,
      fetch: Keyword.get(options, :fetch, 4096),
      keep: Keyword.get(options, :keep, false),
      options: wire_options(session, options, handlers),
      timeout: timeout,
      deadline: if(timeout == :infinity, do: :infinity, else: now() + timeout)
    }

    try do
      execute(run, inputs)
    rescue
      error in EngineError ->
        if error.code == :out_of_memory and silent?(program) do
          Davit.Collector.reclaim(session)
          execute(run, inputs)
        else
          reraise error, __STACKTRACE__
        end
    end
  end

  # Nobody can have seen anything of its runs, so that making one again is no second time.
  defp silent?(program), do: Enum.all?(program.sites, &(&1.kind == :node))

  defp wire_options(session, options, handlers) do
    fetch = Keyword.get(options, :fetch, 4096)
    wire = %{fetch: fetch}
    wire = if handlers.watches == [], do: wire, else: Map.put(wire, :hooks, handlers.watches)
    wire = if Keyword.get(options, :print, true), do: wire, else: Map.put(wire, :print, false)

    case Process.get({__MODULE__, session.name}) do
      {instance, parent} when instance == session.instance -> Map.put(wire, :parent, parent)
      _ -> wire
    end
  end

  # The reference is made in the function that enters the loop, which lets the receive skip whatever was in
  # the mailbox before. `:demonitor` keeps the alias over many messages.
  defp execute(run, inputs) do
    ref = :erlang.monitor(:process, run.session.owner, alias: :demonitor)

    # Runs under way by their request, what each over gave by its number, and the credit that is owed for events.
    state = %{pending: %{}, done: %{}, count: 0, inputs: inputs, owed: nil}
    loop(ref, run, refill(state, ref, run))
  end

  defp loop(ref, _run, %{pending: pending, inputs: []} = state) when pending == %{} do
    Process.demonitor(ref, [:flush])
    for index <- index(state.count), do: Map.fetch!(state.done, index)
  end

  defp loop(ref, run, state) do
    receive do
      {^ref, frame} when is_binary(frame) ->
        loop(ref, run, take(Frame.decode(frame), ref, run, state))

      {^ref, error} ->
        fail(run, ref, %{}, error)

      {:DOWN, ^ref, _, _, reason} ->
        fail(run, ref, %{}, Request.owner_down(reason))
    after
      if(state.owed, do: 0, else: left(run.deadline)) -> loop(ref, run, idle(ref, run, state))
    end
  end

  defp index(0), do: []
  defp index(count), do: 0..(count - 1)

  defp idle(ref, run, %{owed: nil} = state), do: expired(ref, run, state)
  defp idle(_ref, run, state), do: pay(state, run)

  @spec expired(reference, map, map) :: no_return
  defp expired(ref, run, state),
    do: fail(run, ref, state.pending, Request.timeout(run.timeout, "run"))

  defp take({:ok, request, ["ok", result], attachments}, ref, run, state) do
    {{index, tensors}, pending} = Map.pop!(state.pending, request)
    Session.unroute(run.session, request)
    done = Map.put(state.done, index, outputs(tensors, result["values"], attachments))
    # A run that is over needs no credit.
    owed = with {^request, _} <- state.owed, do: nil
    refill(%{state | pending: pending, done: done, owed: owed}, ref, run)
  end

  defp take({:ok, request, ["error", error], _}, ref, run, state) do
    Session.unroute(run.session, request)
    fail(run, ref, Map.delete(state.pending, request), EngineError.from_wire(error))
  end

  defp take({:ok, request, message, attachments}, ref, run, state) do
    bytes = handle(message, request, attachments, run, ref, state.pending)
    # Handlers may have taken long, and more events may be here already.
    if left(run.deadline) == 0, do: expired(ref, run, state)
    owe(state, run, request, bytes)
  end

  defp take({:error, why}, ref, run, state),
    do: fail(run, ref, state.pending, Request.protocol(why))

  # Credit goes back when nothing else is to be done, or when it is much: mostly the run's answer comes first, and then
  # it need not go back at all.
  defp owe(state, _run, _request, 0), do: state

  defp owe(%{owed: nil} = state, run, request, bytes) do
    state = %{state | owed: {request, bytes}}
    if bytes >= @prompt, do: pay(state, run), else: state
  end

  defp owe(%{owed: {request, owed}} = state, run, request, bytes),
    do: owe(%{state | owed: nil}, run, request, owed + bytes)

  defp owe(state, run, request, bytes), do: state |> pay(run) |> owe(run, request, bytes)

  defp pay(%{owed: {request, bytes}} = state, run) do
    Session.notify(run.session, request, ["consumed", bytes])
    %{state | owed: nil}
  end

  defp refill(%{inputs: [inputs | rest], pending: pending} = state, ref, run)
       when map_size(pending) < @window do
    case send_run(run, ref, inputs) do
      {:ok, request, outputs} ->
        pending = Map.put(pending, request, {state.count, outputs})
        refill(%{state | pending: pending, count: state.count + 1, inputs: rest}, ref, run)

      {:error, error} ->
        fail(run, ref, pending, error)
    end
  end

  defp refill(state, _ref, _run), do: state

  defp send_run(%{session: session} = run, ref, inputs) do
    {operands, attachments, alive} = Inputs.to_wire(inputs, run.program.inputs, session)
    {outputs, _} = Enum.map_reduce(run.program.outputs, @answer_bytes, &output(&1, &2, run))
    ids = Enum.map(outputs, &(&1.ref && &1.ref.id))
    request = Session.next_id(session)
    Session.route(session, request, ref, :run)
    header = Msgpack.encode(["run", run.queue, run.program.id, operands, ids, options(run)])

    sent = Session.send_frame(session, Frame.encode(request, header, attachments))
    # Until here, or they might be freed before the run names them.
    Tensor.touch(alive)

    case sent do
      :ok ->
        {:ok, request, outputs}

      error ->
        Session.unroute(session, request)
        error
    end
  end

  # The engine holds the time as well: this process may be in a handler when it is over.
  defp options(%{deadline: :infinity} = run), do: run.options
  defp options(run), do: Map.put(run.options, :timeout, max(1, left(run.deadline)))

  # A small output comes with the answer, as long as there is room, and lives here alone; a larger one stays in
  # the engine.
  defp output(type, room, run) do
    bytes = Davit.Type.byte_size(type)

    if bytes <= run.fetch and bytes <= room and not run.keep do
      {%Tensor{type: type}, room - bytes}
    else
      {%Tensor{type: type, ref: Tensor.Ref.new(run.session, bytes)}, room}
    end
  end

  defp outputs([], _, _), do: []

  defp outputs([tensor | tensors], [nil | values], attachments),
    do: [tensor | outputs(tensors, values, attachments)]

  # A small value is copied, so that it does not keep the whole frame.
  defp outputs([tensor | tensors], [index | values], attachments) do
    bytes = elem(attachments, index)
    data = if byte_size(bytes) <= 4096, do: :binary.copy(bytes), else: bytes
    [%{tensor | data: data} | outputs(tensors, values, attachments)]
  end

  # Calls the handlers; gives the credit that the message holds.
  defp handle(["events", events], request, attachments, run, ref, pending) do
    sites = run.program.by_number
    {events, bytes} = Event.decode(events, attachments, sites, run.handlers.slices)

    guarded(run, ref, request, pending, fn ->
      Enum.each(events, fn {index, event} -> Handlers.event(run.handlers, index, event) end)
    end)

    bytes
  end

  defp handle(["call", call, number, seq, path], request, values, run, ref, pending)
       when is_map_key(run.program.by_number, number) do
    %Site{types: results} = site = Map.fetch!(run.program.by_number, number)

    {operands, attachments, alive} =
      guarded(run, ref, request, pending, fn ->
        event = Handlers.call_event(site, request, seq, path, values)
        run.handlers |> Handlers.call(event, results) |> Inputs.to_wire(results, run.session)
      end)

    # A reply that comes too late would be to a run that is gone.
    if left(run.deadline) > 0 do
      header = Msgpack.encode(["reply", request, call, operands])
      # Should the engine be gone, a message about that is on its way.
      _ = Session.send_frame(run.session, Frame.encode(0, header, attachments))
    end

    Tensor.touch(alive)
    0
  end

  defp handle([type | _], _, _, run, ref, pending) do
    fail(run, ref, pending, Request.protocol("unexpected message #{inspect(type)}"))
  end

  # Runs handlers. What they run themselves on this engine has this run as its parent, and does not queue
  # behind it. When one raises, the run is over and nothing of it stays in the mailbox.
  defp guarded(run, ref, request, pending, fun) do
    key = {__MODULE__, run.session.name}
    outer = Process.put(key, {run.session.instance, request})

    try do
      fun.()
    catch
      kind, reason ->
        abandon(run, ref, pending, "a handler raised")
        :erlang.raise(kind, reason, __STACKTRACE__)
    after
      if outer, do: Process.put(key, outer), else: Process.delete(key)
    end
  end

  @spec fail(map, reference, map, Exception.t()) :: no_return
  defp fail(run, ref, pending, error) do
    abandon(run, ref, pending, "another run failed or timed out")
    raise error
  end

  defp abandon(run, ref, pending, reason) do
    for {request, _} <- pending do
      Session.unroute(run.session, request)
      Session.notify(run.session, 0, ["cancel", request, reason])
    end

    Process.demonitor(ref, [:flush])
    flush(ref)
  end

  defp flush(ref) do
    receive do
      {^ref, _} -> flush(ref)
    after
      0 -> :ok
    end
  end

  defp left(:infinity), do: :infinity
  defp left(deadline), do: max(0, deadline - now())

  defp now, do: System.monotonic_time(:millisecond)
end
