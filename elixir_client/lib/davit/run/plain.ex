defmodule Davit.Run.Plain do
  @moduledoc false
  # The fast path for plain runs: inputs are small and sent with the run, or in the engine; small outputs come with the answer;
  # and there are no handlers. The data that such runs of a program share is prepared once, as a plan: the session, the
  # header of the request where all inputs are sent with it, or else its beginning and its end, and the expected header of
  # the answer. A process keeps the plans of some programs that it ran.

  alias Davit.{EngineError, Frame, Msgpack, Program, Tensor, Type}
  alias Davit.Engine.{Exchange, Request, Session}
  alias Davit.Hooks.Feed
  alias Davit.Run.Inputs
  alias Davit.Tensor.Ref

  @fetch 4096
  @operand_bytes 4096
  # A process keeps at most this many plans. When there would be more, it forgets all of them.
  @plans 64

  @enforce_keys [:program, :session]
  defstruct [:program, :session, :header, :beginning, :ending, :answer, :operands]

  @doc "Runs a program without options. Returns the outputs, or `:other` if the run is not plain, or was not sent."
  @spec run(Program.t(), [Inputs.input()]) :: [Tensor.t()] | :other
  def run(%Program{handlers: [_ | _]}, _inputs), do: :other

  def run(%Program{} = program, inputs) do
    with %{answer: answer} = plan when answer != nil <- plan(program),
         {header, attachments} <- request(inputs, plan) do
      call(plan, program, inputs, header, attachments)
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

  defp request(inputs, %{header: header, operands: operands} = plan) do
    case header && attachments(inputs, operands) do
      nil -> mixed(inputs, plan)
      attachments -> {header, attachments}
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

  # Some of the inputs are in the engine.
  defp mixed(inputs, %{session: session, operands: operands} = plan) do
    with {ids, attachments} <- mixed(inputs, operands, session, 0, @operand_bytes),
         do: {:erlang.iolist_to_binary([plan.beginning, ids, plan.ending]), attachments}
  end

  defp mixed([], [], _session, _count, _room), do: {[], []}

  defp mixed([input | inputs], [{type, size} | operands], session, count, room) do
    case operand(input, type, size, session) do
      {:inline, bytes} when size <= room ->
        with {ids, attachments} <- mixed(inputs, operands, session, count + 1, room - size),
             do: {[inline(count) | ids], [bytes | attachments]}

      id when is_integer(id) ->
        with {ids, attachments} <- mixed(inputs, operands, session, count, room),
             do: {[Msgpack.encode(id) | ids], attachments}

      _ ->
        nil
    end
  end

  defp mixed(_, _, _, _, _), do: nil

  defp operand(%Tensor{type: type, ref: ref, data: bytes}, type, _size, session) do
    cond do
      ref != nil and Ref.in?(ref, session) -> ref.id
      bytes != nil -> {:inline, bytes}
      true -> nil
    end
  end

  defp operand(bytes, _type, size, _session) when is_binary(bytes) and byte_size(bytes) == size,
    do: {:inline, bytes}

  defp operand(_, _, _, _), do: nil

  # Of the type of the parameter.
  defp inline(count), do: Msgpack.encode(["inline", nil, count])

  defp prepare(program) do
    plan = %__MODULE__{program: program.id, session: Program.session!(program)}
    plan = if plain?(program), do: headers(plan, program), else: plan
    plans = Process.get(__MODULE__, %{})
    plans = if map_size(plans) < @plans, do: plans, else: %{}
    Process.put(__MODULE__, Map.put(plans, {program.engine, program.id}, plan))
    plan
  end

  defp plain?(program),
    do: Enum.all?(program.sites, &quiet?/1) and total(program.outputs) <= @fetch

  # Nothing of it comes to the caller, unless that asks for it.
  defp quiet?(site), do: site.kind == :node or (site.kind == :hook and not site.destination)

  defp total(types), do: types |> Enum.map(&Type.byte_size/1) |> Enum.sum()

  defp headers(%{session: session} = plan, program) do
    count = length(program.inputs)
    outputs = Enum.map(program.outputs, fn _ -> nil end)
    beginning = [0x96, Msgpack.encode("run"), Msgpack.encode(Session.queue(session))]
    beginning = [beginning, Msgpack.encode(program.id), Msgpack.array(count)]
    ending = [Msgpack.encode(outputs), Msgpack.encode(%{fetch: @fetch})]
    types = Enum.map(program.outputs, &Type.to_wire/1)
    values = Enum.map(Enum.with_index(program.outputs), &elem(&1, 1))

    %{
      plan
      | header: if(total(program.inputs) <= @operand_bytes, do: whole(beginning, count, ending)),
        beginning: beginning,
        ending: ending,
        answer: Msgpack.encode(["ok", %{outputs: types, values: values}]),
        operands: Enum.map(program.inputs, &{&1, Type.byte_size(&1)})
    }
  end

  defp whole(beginning, count, ending) do
    inline = for index <- 0..(count - 1)//1, do: inline(index)
    :erlang.iolist_to_binary([beginning, inline, ending])
  end

  defp call(%{session: session} = plan, program, inputs, header, attachments) do
    send = &Session.send_frame(session, Frame.encode(&1, header, attachments))

    case Exchange.call(session, :run, :infinity, send) do
      {:ok, frame} ->
        # This keeps the inputs until here: otherwise they might be freed before the run names them.
        Tensor.touch(inputs)
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
