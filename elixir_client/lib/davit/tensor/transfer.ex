defmodule Davit.Tensor.Transfer do
  @moduledoc false
  # How a tensor's values travel: with a request where they are small, over the bulk socket where they are large.

  alias Davit.{Collector, EngineError, Tensor, Type}
  alias Davit.Engine.{Bulk, Request, Session}
  alias Davit.Tensor.Ref

  # How many times a value is asked for whose connection breaks.
  @attempts 5

  @doc """
  Sends a tensor that is at home. One allocation that fails is tried again after what is forgotten was freed.
  Raises `Davit.EngineError`.
  """
  @spec put(Tensor.t(), Session.t()) :: Tensor.t()
  def put(%Tensor{type: type, data: data} = tensor, session) do
    Davit.Telemetry.span([:put, :stop], %{engine: session.name, type: type}, fn ->
      answer =
        with {:error, %{code: :out_of_memory}} <- put_once(session, type, data) do
          Collector.reclaim(session)
          put_once(session, type, data)
        end

      case answer do
        {:ok, ref} -> {%{tensor | ref: ref, data: keep(data)}, %{bytes: byte_size(data)}}
        {:error, error} -> raise error
      end
    end)
  end

  defp keep(data), do: if(byte_size(data) <= Tensor.inline_limit(), do: data)

  defp put_once(session, type, data) do
    ref = Ref.new(session, byte_size(data))

    answer =
      if session.bulk? and byte_size(data) > Tensor.inline_limit() do
        put_bulk(session, ref.id, type, data)
      else
        Request.call(session, ["put", ref.id, Type.to_wire(type), 0], [data])
      end

    with {:ok, _, _} <- answer, do: {:ok, ref}
  end

  defp put_bulk(session, id, type, data) do
    transfer = Session.next_id(session)
    message = ["put", id, Type.to_wire(type), ["transfer", transfer]]

    answer =
      Bulk.sending(session, fn socket ->
        send_bytes = fn -> Bulk.transfer(socket, transfer, data) end
        Request.call(session, message, [], :infinity, send_bytes)
      end)

    with {:error, %{code: :transfer_broken} = error} <- answer do
      {:error, if(Session.alive?(session), do: error, else: Session.lost(session))}
    end
  end

  @doc "The values of the tensor `id`, which are so many bytes."
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
    answer =
      with {:ok, connection} <- Bulk.connect(session),
           {:ok, %{"transfer" => n}, _} <-
             Request.call(session, ["get", id, %{bulk: true}], [], timeout),
           do: Bulk.claim(session, n, connection, timeout)

    case answer do
      {:ok, bytes} ->
        {:ok, bytes}

      # Another process died while it sent, and the connection with it; or the engine did.
      {:error, %{code: :transfer_broken} = error} ->
        cond do
          not Session.alive?(session) -> {:error, Session.lost(session)}
          attempts > 1 -> get_bulk(session, id, timeout, attempts - 1)
          true -> {:error, error}
        end

      answer ->
        not_got(answer)
    end
  end

  defp not_got({:error, error}), do: {:error, error}

  defp not_got({:ok, result, _}),
    do: {:error, Request.protocol("`get` was answered with #{inspect(result, limit: 5)}")}
end
