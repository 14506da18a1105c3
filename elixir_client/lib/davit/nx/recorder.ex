defmodule Davit.Nx.Recorder do
  @moduledoc false
  # Runs that nobody waits for: a frame goes into the port, and the caller goes on with the outputs' ids. A run that fails makes
  # its outputs fail, and so whoever reads them. A process waits for one of its runs when it is far ahead of the engine.

  alias Davit.{Frame, Msgpack, Tensor, Type}
  alias Davit.Engine.Session
  alias Davit.Nx.{Answers, Origins, Programs}
  alias Davit.Tensor.Ref

  # After each @window runs, a process waits until the run that it sent @window runs before is answered. An engine takes at most
  # 65,536 requests that have no answer yet.
  @window 64

  # What a process keeps for the engine that it recorded runs for: its session and queue, how many runs it sent since the last
  # one that is answered, and that one's request.
  defstruct [:session, :queue, count: @window, answered: nil]

  # The beginning and the ends of a run's header.
  @run <<0x96, 0xA3, "run">>
  @answered Msgpack.encode(%{})
  @silent Msgpack.encode(%{answer: false})

  @doc """
  Runs a program on tensors. Returns its outputs, all in the engine. Where the session of the plan is over, `session` returns
  the one that the program is loaded in. Errors name the `operation`. Raises `Davit.EngineError`.
  """
  @spec run(Programs.plan(), [Tensor.t()], (() -> Session.t()), String.t()) :: [Tensor.t()]
  def run(plan, inputs, session, operation) do
    %{session: session} = state = state(plan, session)
    {operands, attachments} = operands(inputs, session, 0)

    outputs =
      for {type, bytes} <- plan.outputs, do: %Tensor{type: type, ref: Ref.new(session, bytes)}

    request = Session.next_id(session)
    Origins.note(session.name, request, operation)
    ending = ending(session, answered?(state, request))
    ids = for %{ref: %{id: id}} <- outputs, do: integer(id)
    run = [@run, integer(state.queue), integer(plan.id), array(operands), array(ids), ending]
    header = :erlang.iolist_to_binary(run)
    sent = Session.send_frame(session, Frame.encode(request, header, attachments))
    # This keeps the tensors until here: otherwise they might be freed before the run names them.
    Tensor.touch({plan, inputs, outputs})
    if sent != :ok, do: raise(elem(sent, 1))
    outputs
  end

  # In a handler of a run an operation must not queue behind that run, which waits for the handler.
  defp ending(session, answered?) do
    case Process.get(Davit.Run.parent_key(session.name)) do
      {instance, parent} when instance == session.instance ->
        Msgpack.encode(%{answer: answered?, parent: parent})

      _ ->
        if answered?, do: @answered, else: @silent
    end
  end

  # msgpack of one width, which is faster to write than the shortest.
  defp integer(n), do: <<0xCF, n::64>>
  defp array(items) when length(items) < 16, do: [0x90 + length(items) | items]
  defp array(items) when length(items) < 0x1_0000, do: [<<0xDC, length(items)::16>> | items]

  defp operands([], _session, _count), do: {[], []}

  # A tensor whose values are in this VM outlives its engine.
  defp operands([%Tensor{ref: ref, data: bytes, type: type} = tensor | inputs], session, count) do
    if bytes != nil and (ref == nil or not Ref.in?(ref, session)) do
      {operands, attachments} = operands(inputs, session, count + 1)
      {[Msgpack.encode(["inline", Type.to_wire(type), count]) | operands], [bytes | attachments]}
    else
      id = Tensor.fetch_ref!(tensor, session)
      {operands, attachments} = operands(inputs, session, count)
      {[integer(id) | operands], attachments}
    end
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

  # Tells whether the run is to be answered.
  defp answered?(%{session: session, count: count} = state, request) do
    if count < @window do
      Process.put({__MODULE__, session.name}, %{state | count: count + 1})
      false
    else
      if state.answered, do: Answers.wait(session, state.answered)
      Answers.expect(session, request)
      Process.put({__MODULE__, session.name}, %{state | count: 1, answered: request})
      true
    end
  end
end
