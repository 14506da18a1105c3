defmodule Davit.Run.Inputs do
  @moduledoc false
  # Converts the inputs of a run, and the values of a reply, to the protocol's operands and attachments.

  alias Davit.{Tensor, Type}
  alias Davit.Engine.Session
  alias Davit.Tensor.{Elements, Ref}

  # The bytes of inputs that are sent with a run: less than a frame may be.
  @room 16 * 1024 * 1024

  @type input :: Davit.input()

  @doc """
  Returns the operands of a run, the attachments that they refer to, and the tensors that have to be alive until they are
  sent. `what` returns the text that stands for an operand in an error, by its position. Raises `ArgumentError` or
  `Davit.EngineError`.
  """
  @spec to_wire([input], [Type.t()], Session.t(), (non_neg_integer -> String.t())) ::
          {list, [binary], [Tensor.t()]}
  def to_wire(inputs, types, session, what) do
    walk(inputs, types, 0, {0, @room, [], [], []}, {session, what})
  end

  defp walk([], [], _index, {_, _, operands, attachments, alive}, _context),
    do: {Enum.reverse(operands), Enum.reverse(attachments), alive}

  defp walk([input | inputs], [type | types], index, sent, {session, what} = context) do
    {count, room, operands, attachments, alive} = sent

    sent =
      case operand(input, type, room, session, fn -> what.(index) end) do
        {:inline, type, bytes} ->
          operands = [["inline", Type.to_wire(type), count] | operands]
          {count + 1, room - byte_size(bytes), operands, [bytes | attachments], alive}

        %Tensor{ref: ref} = tensor ->
          {count, room, [ref.id | operands], attachments, [tensor | alive]}
      end

    walk(inputs, types, index + 1, sent, context)
  end

  # A tensor whose values are in this VM can be used after its engine has ended.
  defp operand(%Tensor{ref: %Ref{} = ref, data: data} = tensor, _, room, session, _) do
    if data == nil or Ref.in?(ref, session) do
      Tensor.fetch_ref!(tensor, session)
      tensor
    else
      send_bytes(tensor.type, data, room, session)
    end
  end

  defp operand(%Tensor{type: type, data: bytes}, _, room, session, _),
    do: send_bytes(type, bytes, room, session)

  defp operand(bytes, type, room, session, what) when is_binary(bytes) do
    if byte_size(bytes) != Type.byte_size(type) do
      raise ArgumentError,
            "#{what.()} has the type #{Type.format(type)} and #{Type.byte_size(type)} bytes; " <>
              "got #{byte_size(bytes)} bytes"
    end

    send_bytes(type, bytes, room, session)
  end

  defp operand(list, type, room, session, what),
    do: send_bytes(type, encode(list, type, what), room, session)

  defp encode(list, {_, shape} = type, what) do
    case Elements.shape(list) do
      ^shape -> Elements.encode(list, type)
      got -> raise ArgumentError, "got values of the shape #{inspect(got)}"
    end
  rescue
    error in ArgumentError ->
      message = "#{what.()} has the type #{Type.format(type)}; #{error.message}"
      reraise ArgumentError, [message: message], __STACKTRACE__
  end

  # Bytes that are too large to be sent with the run become a tensor of their own, which is freed after the run.
  defp send_bytes(type, bytes, room, session) do
    if byte_size(bytes) <= min(room, Tensor.inline_limit()) do
      {:inline, type, bytes}
    else
      Tensor.put(%Tensor{type: type, data: bytes}, session)
    end
  end
end
