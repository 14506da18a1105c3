defmodule Davit.Run.Plain do
  @moduledoc false
  # The fast path for plain runs: small inputs are sent with the run, small outputs come with the answer, and there are no
  # handlers. The data that such runs of a program share is prepared once, as a plan: the session, the header of the request
  # and the expected header of the answer. A process keeps the plans of some programs that it ran.

  alias Davit.{EngineError, Frame, Msgpack, Program, Tensor, Type}
  alias Davit.Engine.{Exchange, Request, Session}
  alias Davit.Hooks.Feed
  alias Davit.Run.Inputs

  @fetch 4096
  @operand_bytes 4096
  # So many plans; when there would be more, a process begins anew.
  @plans 64

  @enforce_keys [:program, :session]
  defstruct [:program, :session, :header, :answer, :operands]

  @doc "Runs a program without options. Returns the outputs, or `:other` if the run is not plain, or was not sent."
  @spec run(Program.t(), [Inputs.input()]) :: [Tensor.t()] | :other
  def run(%Program{handlers: [_ | _]}, _inputs), do: :other

  def run(%Program{} = program, inputs) do
    with %{header: header} = plan when header != nil <- plan(program),
         attachments when is_list(attachments) <- attachments(inputs, plan.operands) do
      call(plan, program, attachments)
    else
      _ -> :other
    end
  end

  # The id of a program belongs to its session. The plan must not hold the program's token, which the collector counts.
  defp plan(%Program{id: id, engine: engine, node: node} = program) do
    case Process.get(__MODULE__) do
      %{{^engine, ^id} => %__MODULE__{session: session} = plan} when node == node() ->
        if Session.up?(session), do: plan, else: prepare(program)

      _ ->
        prepare(program)
    end
  end

  defp attachments([], []), do: []

  defp attachments([bytes | inputs], [{_, size} | operands])
       when is_binary(bytes) and byte_size(bytes) == size,
       do: append(bytes, attachments(inputs, operands))

  defp attachments([%Tensor{data: bytes, type: type, ref: nil} | inputs], [{type, _} | operands]),
    do: append(bytes, attachments(inputs, operands))

  defp attachments(_, _), do: nil

  defp append(bytes, rest), do: rest && [bytes | rest]

  defp prepare(program) do
    plan = %__MODULE__{program: program.id, session: Program.session!(program)}
    plan = if plain?(program), do: headers(plan, program), else: plan
    plans = Process.get(__MODULE__, %{})
    plans = if map_size(plans) < @plans, do: plans, else: %{}
    Process.put(__MODULE__, Map.put(plans, {program.engine, program.id}, plan))
    plan
  end

  defp plain?(program) do
    Enum.all?(program.sites, &quiet?/1) and
      total(program.inputs) <= @operand_bytes and total(program.outputs) <= @fetch
  end

  # Nothing of it comes to the caller, unless that asks for it.
  defp quiet?(site), do: site.kind == :node or (site.kind == :hook and not site.destination)

  defp total(types), do: types |> Enum.map(&Type.byte_size/1) |> Enum.sum()

  defp headers(%{session: session} = plan, program) do
    inline =
      for {type, index} <- Enum.with_index(program.inputs),
          do: ["inline", Type.to_wire(type), index]

    ids = Enum.map(program.outputs, fn _ -> nil end)
    run = ["run", Session.queue(session), program.id, inline, ids, %{fetch: @fetch}]
    types = Enum.map(program.outputs, &Type.to_wire/1)
    values = Enum.map(Enum.with_index(program.outputs), &elem(&1, 1))

    %{
      plan
      | header: Msgpack.encode(run),
        answer: Msgpack.encode(["ok", %{outputs: types, values: values}]),
        operands: Enum.map(program.inputs, &{&1, Type.byte_size(&1)})
    }
  end

  defp call(%{session: session} = plan, program, attachments) do
    send = &Session.send_frame(session, Frame.encode(&1, plan.header, attachments))

    case Exchange.call(session, :run, :infinity, send) do
      {:ok, frame} ->
        if program.sites != [], do: Feed.settle(program)
        outputs(Frame.split(frame), plan, program)

      {:error, error} ->
        raise error

      # The run may wait for the next engine.
      {:unsent, _} ->
        Process.delete(__MODULE__)
        :other
    end
  end

  defp outputs({:ok, _, header, attachments}, %{answer: header}, program),
    do: tensors(program.outputs, attachments, 0)

  defp outputs({:ok, _, header, _}, _, program) do
    case Msgpack.decode(header) do
      {:ok, ["error", %{"code" => "memory_exhausted"} = error]} -> again(program, error)
      {:ok, ["error", error]} -> raise EngineError.from_wire(error)
      other -> raise Request.protocol("`run` was answered with #{Davit.Show.show(other)}")
    end
  end

  defp outputs({:error, why}, _, _), do: raise(Request.protocol(why))

  # What subscribers may have seen is not made a second time.
  defp again(program, error) do
    if Enum.all?(program.sites, &(&1.kind == :node)),
      do: :other,
      else: raise(EngineError.from_wire(error))
  end

  defp tensors([], _, _), do: []

  defp tensors([type | types], attachments, index) do
    # Copied, so that it does not keep the whole frame in memory.
    data = :binary.copy(elem(attachments, index))
    [%Tensor{type: type, data: data} | tensors(types, attachments, index + 1)]
  end
end
