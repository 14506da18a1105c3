defmodule Davit.Nx.Recorder do
  @moduledoc false
  # Runs that nobody waits for: a frame goes into the port, and the caller goes on with the outputs' ids. A run that fails makes
  # its outputs fail, and so whoever reads them. A process waits for one of its runs when it is far ahead of the engine.

  alias Davit.{Frame, Msgpack, Program, Tensor, Type}
  alias Davit.Engine.Session
  alias Davit.Nx.{Answers, Origins, Programs}
  alias Davit.Tensor.Ref

  # After so many runs of a process one is waited for that it sent as many before: an engine takes 65,536 requests that have
  # no answer yet.
  @window 64

  @doc """
  Runs a program on tensors; returns its outputs, all in the engine. `program` returns the program of the plan, which an engine
  that was started again has to load; `operation` says in messages what it is. Raises `Davit.EngineError`.
  """
  @spec run(Programs.plan(), [Tensor.t()], (() -> Program.t()), String.t()) :: [Tensor.t()]
  def run(plan, inputs, program, operation) do
    session = session(plan, program)
    {operands, attachments} = operands(inputs, session, 0)

    outputs =
      for {type, bytes} <- plan.outputs, do: %Tensor{type: type, ref: Ref.new(session, bytes)}

    ids = Enum.map(outputs, & &1.ref.id)
    request = Session.next_id(session)
    Origins.note(session.name, request, operation)
    answer = answer?(session, request)
    message = ["run", Session.queue(session), plan.id, operands, ids, %{answer: answer}]
    sent = Session.send_frame(session, Frame.encode(request, Msgpack.encode(message), attachments))
    # Until here, or they might be freed before the run names them.
    Tensor.touch({plan, inputs, outputs})
    if sent != :ok, do: raise(elem(sent, 1))
    outputs
  end

  defp session(%{engine: engine, instance: instance}, program) do
    case Davit.Engine.session!(engine) do
      %{instance: ^instance} = session -> session
      _ -> Program.session!(program.())
    end
  end

  defp operands([], _session, _count), do: {[], []}

  defp operands([%Tensor{ref: nil, data: bytes, type: type} | inputs], session, count) do
    {operands, attachments} = operands(inputs, session, count + 1)
    {[["inline", Type.to_wire(type), count] | operands], [bytes | attachments]}
  end

  defp operands([%Tensor{} = tensor | inputs], session, count) do
    id = Tensor.fetch_ref!(tensor, session)
    {operands, attachments} = operands(inputs, session, count)
    {[id | operands], attachments}
  end

  # Tells whether the run is to be answered. A process keeps how many runs it sent since the last one that is, and that one's
  # request.
  defp answer?(session, request) do
    key = {__MODULE__, session.name}

    case Process.get(key) do
      {instance, count, answered} when instance == session.instance and count < @window ->
        Process.put(key, {instance, count + 1, answered})
        false

      other ->
        with {instance, _, answered} when instance == session.instance <- other,
             do: Answers.wait(session, answered)

        Answers.expect(session, request)
        Process.put(key, {session.instance, 1, request})
        true
    end
  end
end
