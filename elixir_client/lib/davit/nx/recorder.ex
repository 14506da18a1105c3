defmodule Davit.Nx.Recorder do
  @moduledoc false
  # Runs that nobody waits for: a frame goes into the port, and the caller goes on with the outputs' ids. A run that fails makes
  # its outputs fail, and so whoever reads them. A process waits for one of its runs when it is far ahead of the engine.

  alias Davit.{Frame, Msgpack, Program, Tensor, Type}
  alias Davit.Engine.Session
  alias Davit.Nx.{Answers, Programs}
  alias Davit.Tensor.Ref

  # After so many runs of a process one is waited for that it sent as many before: an engine takes 65,536 requests that have
  # no answer yet.
  @window 64

  @doc """
  Runs a program on tensors; returns its outputs, all in the engine. `program` returns the program of the plan, which an engine
  that was started again has to load. Raises `Davit.EngineError`.
  """
  @spec run(Programs.plan(), [Tensor.t()], (() -> Program.t())) :: [Tensor.t()]
  def run(plan, inputs, program) do
    session = session(plan, program)
    {operands, attachments} = operands(inputs, session, 0)

    outputs =
      for {type, bytes} <- plan.outputs, do: %Tensor{type: type, ref: Ref.new(session, bytes)}

    ids = Enum.map(outputs, & &1.ref.id)
    message = ["run", Session.queue(session), plan.id, operands, ids, %{}]
    sent = send_run(session, Msgpack.encode(message), attachments)
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

  # A process keeps how many runs it sent since the last one whose answer is known of, and that one's request.
  defp send_run(session, header, attachments) do
    key = {__MODULE__, session.name}
    request = Session.next_id(session)

    case Process.get(key) do
      {instance, count, expected} when instance == session.instance and count < @window ->
        Process.put(key, {instance, count + 1, expected})

      other ->
        with {instance, _, expected} when instance == session.instance <- other,
             do: Answers.wait(session, expected)

        Answers.expect(session, request)
        Process.put(key, {session.instance, 1, request})
    end

    Session.send_frame(session, Frame.encode(request, header, attachments))
  end
end
