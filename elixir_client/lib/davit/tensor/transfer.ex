defmodule Davit.Tensor.Transfer do
  @moduledoc false
  # Sends and reads the values of tensors: small values with a request, large ones over the bulk socket.

  alias Davit.{Collector, EngineError, Tensor, Type}
  alias Davit.Engine.{Bulk, Request, Session}
  alias Davit.Engine.Bulk.Sender
  alias Davit.Tensor.Ref

  # How many times a transfer is tried when its connection ends.
  @attempts 5

  @doc """
  Sends a tensor whose values are in this VM. If the engine cannot allocate it, dropped tensors are freed and it is tried
  once more. Raises `Davit.EngineError`.
  """
  @spec put(Tensor.t(), Session.t()) :: Tensor.t()
  def put(%Tensor{type: type, data: data} = tensor, session) do
    metadata = fn ->
      %{engine: Davit.Engine.Name.of(session.name), type: type, bytes: byte_size(data)}
    end

    Davit.Telemetry.span(:put, metadata, fn ->
      answer =
        with {:error, %{code: :memory_exhausted}} <- put_once(session, type, data, @attempts) do
          Collector.reclaim(session)
          put_once(session, type, data, @attempts)
        end

      case answer do
        {:ok, ref} -> %{tensor | ref: ref, data: keep(data)}
        {:error, error} -> raise error
      end
    end)
  end

  defp keep(data), do: if(byte_size(data) <= Tensor.inline_limit(), do: data)

  defp put_once(session, type, data, attempts) do
    ref = Ref.new(session, byte_size(data))

    answer =
      if session.bulk? and byte_size(data) > Tensor.inline_limit(),
        do: put_bulk(session, ref, type, data),
        else: Request.call(session, ["put", ref.id, Type.to_wire(type), 0], [data])

    # The reference has to be alive until here, or the tensor might be freed before the engine has created it.
    Tensor.touch(ref)

    case answer do
      {:ok, _, _} ->
        {:ok, ref}

      {:error, error} ->
        again(error, session, attempts, fn -> put_once(session, type, data, attempts - 1) end)
    end
  end

  defp put_bulk(session, ref, type, data) do
    transfer = Session.next_id(session)
    message = ["put", ref.id, Type.to_wire(type), ["transfer", transfer]]

    Request.call(session, message, [], :infinity, fn session, request, frame ->
      Bulk.put(%Sender{
        session: session,
        request: request,
        frame: frame,
        transfer: transfer,
        data: data,
        ref: ref
      })
    end)
  end

  # The connection ended. If the engine ended, that may not be known yet.
  defp again(%{code: :transfer_broken} = error, session, attempts, again) do
    cond do
      not Session.alive?(session) -> {:error, Session.lost(session)}
      attempts > 1 -> again.()
      true -> {:error, error}
    end
  end

  defp again(error, _session, _attempts, _again), do: {:error, error}

  @doc "Returns the values of the tensor `id`, which has the given number of bytes."
  @spec get(Session.t(), pos_integer, non_neg_integer, timeout) ::
          {:ok, binary} | {:error, EngineError.t()}
  def get(session, id, bytes, timeout) do
    if session.bulk? and bytes > Tensor.inline_limit(),
      do: get_bulk(session, id, timeout, @attempts),
      else: get_inline(session, id, timeout)
  end

  defp get_inline(session, id, timeout) do
    case Request.call(session, ["get", id, %{bulk: false}], [], timeout) do
      {:ok, %{"value" => index}, attachments} when index < tuple_size(attachments) ->
        {:ok, elem(attachments, index)}

      answer ->
        not_got(answer)
    end
  end

  defp get_bulk(session, id, timeout, attempts) do
    with {:error, error} <- Bulk.read(session, id, timeout) do
      again(error, session, attempts, fn -> get_bulk(session, id, timeout, attempts - 1) end)
    end
  end

  defp not_got({:error, error}), do: {:error, error}

  defp not_got({:ok, result, _}),
    do: {:error, Request.protocol("`get` was answered with #{Davit.Show.show(result)}")}
end
