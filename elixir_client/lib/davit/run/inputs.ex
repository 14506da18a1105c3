defmodule Davit.Run.Inputs do
  @moduledoc false
  # What a person gives as a value, as the protocol's operands and attachments.

  alias Davit.{Tensor, Type}
  alias Davit.Engine.Session
  alias Davit.Tensor.{Elements, Ref}

  @type input :: Tensor.t() | binary | Elements.nested()

  @doc """
  The operands of a run, the attachments they refer to, and the tensors that have to be alive until they
  are sent. Raises `ArgumentError` or `Davit.EngineError`.
  """
  @spec to_wire([input], [Type.t()], Session.t()) :: {list, [binary], [Tensor.t()]}
  def to_wire(inputs, types, session) do
    if length(inputs) != length(types) do
      raise ArgumentError,
            "the program takes #{length(types)} inputs " <>
              "(#{Enum.map_join(types, ", ", &Type.format/1)}), got #{length(inputs)}"
    end

    walk(inputs, types, session, 0, 0, [], [], [])
  end

  defp walk([], [], _session, _index, _count, operands, attachments, alive) do
    {Enum.reverse(operands), Enum.reverse(attachments), alive}
  end

  defp walk([input | inputs], [type | types], session, index, count, operands, attachments, alive) do
    case operand(input, type, session, index) do
      {:inline, type, bytes} ->
        operands = [["inline", Type.to_wire(type), count] | operands]
        attachments = [bytes | attachments]
        walk(inputs, types, session, index + 1, count + 1, operands, attachments, alive)

      %Tensor{ref: ref} = tensor ->
        operands = [ref.id | operands]
        walk(inputs, types, session, index + 1, count, operands, attachments, [tensor | alive])
    end
  end

  # A tensor whose values are at home outlives its engine.
  defp operand(%Tensor{ref: %Ref{} = ref, data: data} = tensor, _, session, _)
       when data == nil or (ref.instance == session.instance and ref.engine == session.name) do
    Tensor.fetch_ref!(tensor, session)
    tensor
  end

  defp operand(%Tensor{type: type, data: bytes}, _, session, _),
    do: send_bytes(type, bytes, session)

  defp operand(bytes, type, session, index) when is_binary(bytes) do
    if byte_size(bytes) != Type.byte_size(type) do
      raise ArgumentError,
            "input #{index} is a #{Type.format(type)} of #{Type.byte_size(type)} bytes, " <>
              "got #{byte_size(bytes)} bytes"
    end

    send_bytes(type, bytes, session)
  end

  defp operand(list, {dtype, shape} = type, session, index) do
    got = Elements.shape(list)

    if got != shape do
      raise ArgumentError,
            "input #{index} is a #{Type.format(type)}, got values of the shape #{inspect(got)}"
    end

    send_bytes(type, Elements.encode(list, {dtype, shape}), session)
  end

  # What is too large to travel with the run goes ahead of it, and is forgotten after it.
  defp send_bytes(type, bytes, session) do
    if byte_size(bytes) <= Tensor.inline_limit() do
      {:inline, type, bytes}
    else
      Tensor.put(%Tensor{type: type, data: bytes}, session)
    end
  end
end
