defmodule Davit.Nx.Recorder do
  @moduledoc false
  # Runs that nobody waits for: a run is recorded (`Davit.Engine.Recorded`), and the caller goes on with the ids of its outputs. A
  # run that fails makes its outputs fail, and so whoever reads them. A process that is far ahead of the engine waits for one of
  # its runs.

  alias Davit.{Collector, Frame, Msgpack, Tensor}
  alias Davit.Engine.{Recorded, Session}
  alias Davit.Nx.{Answers, Origins, Programs}
  alias Davit.Tensor.Ref

  # After each @window runs, a process waits until the run that it sent @window runs before is answered. An engine takes at most
  # 65,536 requests that have no answer yet.
  @window 64

  # What a process keeps for the engine that it recorded runs for: its session and queue, how many runs it sent since the last
  # one that is answered, and that one's request.
  defstruct [:session, :queue, count: 0, answered: nil]

  @doc """
  Runs a program on tensors. Returns its outputs, all in the engine. Where the session of the plan is over, `session` returns
  the one that the program is loaded in. Errors name the `operation`. Raises `Davit.EngineError`.
  """
  @spec run(Programs.plan(), [Tensor.t()], (() -> Session.t()), atom) :: [Tensor.t()]
  def run(plan, inputs, session, operation) do
    %{session: session} = state = state(plan, session)
    {outputs, ids, minted} = outputs(plan.outputs, session)
    request = Session.next_id(session)
    Origins.note(session.name, request, operation)
    operands = operands(inputs, session)
    run = {request, state.queue, plan.id, operands, ids, parent(session)}
    # They might be freed before the run names them.
    alive = [plan.token | tokens(inputs)]
    record(state, run, minted, alive)
    outputs
  end

  defp outputs([], _session), do: {[], [], []}

  defp outputs([{type, bytes} | types], session) do
    {ref, minted} = Ref.new_later(session, bytes)
    {outputs, ids, more} = outputs(types, session)
    {[%Tensor{type: type, ref: ref} | outputs], [ref.id | ids], [minted | more]}
  end

  defp tokens([]), do: []
  defp tokens([%Tensor{ref: nil} | inputs]), do: tokens(inputs)
  defp tokens([%Tensor{ref: %Ref{token: token}} | inputs]), do: [token | tokens(inputs)]

  defp record(%{session: session, count: count} = state, run, minted, alive)
       when count < @window do
    keep(%{state | count: count + 1})
    Recorded.add(session, run, minted, alive)
  end

  # This process may wait for the answer to this run later, and the runs of a burst have none. So it is sent alone.
  defp record(%{session: session, answered: before} = state, run, minted, alive) do
    {request, queue, program, operands, ids, parent} = run
    if before, do: Answers.wait(session, before)
    Answers.expect(session, request)
    keep(%{state | count: 1, answered: request})
    {operands, attachments} = Enum.map_reduce(operands, [], &operand/2)
    options = if parent, do: %{parent: parent}, else: %{}
    header = Msgpack.encode(["run", queue, program, operands, ids, options])
    sent = Session.send_frame(session, Frame.encode(request, header, Enum.reverse(attachments)))
    Collector.own(session, minted, self())
    # This keeps the tensors until here.
    Tensor.touch({alive, minted})
    if sent != :ok, do: raise(elem(sent, 1))
  end

  defp operand(id, attachments) when is_integer(id), do: {id, attachments}

  defp operand(value, attachments),
    do: {["inline", nil, length(attachments)], [value | attachments]}

  # In a handler of a run an operation must not queue behind that run, which waits for the handler.
  defp parent(session) do
    case Process.get(Davit.Run.parent_key(session.name)) do
      {instance, parent} when instance == session.instance -> parent
      _ -> nil
    end
  end

  defp operands([], _session), do: []

  # A tensor whose values are in this VM outlives its engine.
  defp operands([%Tensor{ref: ref, data: bytes} = tensor | inputs], session) do
    if bytes != nil and (ref == nil or not Ref.in?(ref, session)),
      do: [bytes | operands(inputs, session)],
      else: [Tensor.fetch_ref!(tensor, session) | operands(inputs, session)]
  end

  # The state that this process keeps, if it is that of the running session in which the program is loaded.
  defp state(%{engine: engine, instance: instance}, current) do
    case Process.get({__MODULE__, engine}) do
      %__MODULE__{session: %{instance: ^instance} = session} = state ->
        if Session.up?(session), do: state, else: begin(current.())

      _ ->
        begin(current.())
    end
  end

  defp begin(session) do
    case Process.get({__MODULE__, session.name}) do
      %__MODULE__{session: %{instance: instance}} = state when instance == session.instance -> state
      _ -> %__MODULE__{session: session, queue: Session.queue(session)}
    end
  end

  defp keep(%{session: session} = state), do: Process.put({__MODULE__, session.name}, state)
end
