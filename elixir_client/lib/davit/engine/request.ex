defmodule Davit.Engine.Request do
  @moduledoc false
  # One request with one answer. The calling process sends the request and waits for the answer.

  alias Davit.{EngineError, Frame, Msgpack}
  alias Davit.Engine.{Exchange, Session}

  # The longest timeout of a receive.
  @longest 0xFFFF_FFFF

  @type send ::
          (Session.t(), request :: pos_integer, frame :: iodata -> :ok | {:error, EngineError.t()})
  @type answer :: {:ok, result :: term, Frame.attachments()} | {:error, EngineError.t()}

  @doc """
  Sends a request and waits for its answer.

  `send` gets the session, the request's number and its frame. It writes the frame into the port, or has another process do
  it.
  """
  @spec call(Session.t(), list, [iodata], timeout, send) :: answer
  def call(session, message, attachments \\ [], timeout \\ :infinity, send \\ &now/3) do
    header = Msgpack.encode(message)
    send = &send.(session, &1, Frame.encode(&1, header, attachments))

    case Exchange.call(session, :request, timeout, send) do
      {:ok, frame} ->
        answer(frame)

      {:timeout, request} ->
        Session.notify(session, 0, ["cancel", request, "timeout"])
        {:error, timeout(timeout, hd(message))}

      {_, error} ->
        {:error, error}
    end
  end

  defp now(session, _request, frame), do: Session.send_frame(session, frame)

  @doc "Returns the option `:timeout`, by default `:infinity`. Raises `ArgumentError` if it is not a timeout."
  @spec timeout!(keyword) :: timeout
  def timeout!(options) do
    expected = ":infinity or milliseconds from 0 to #{@longest}"
    valid? = &(&1 == :infinity or (is_integer(&1) and &1 in 0..@longest))
    Davit.Options.get!(options, :timeout, :infinity, expected, valid?)
  end

  @doc "Decodes an answer."
  @spec answer(binary) :: answer
  def answer(frame) do
    case Frame.decode(frame) do
      {:ok, _, ["ok", result], attachments} -> {:ok, result, attachments}
      {:ok, _, ["error", error], _} -> {:error, EngineError.from_wire(error)}
      {:ok, _, [type | _], _} -> {:error, protocol("the engine answered with #{inspect(type)}")}
      {:error, why} -> {:error, protocol(why)}
    end
  end

  @doc false
  @spec protocol(String.t()) :: EngineError.t()
  def protocol(why), do: %EngineError{code: :protocol_violated, message: why}

  @doc false
  @spec timeout(timeout, String.t()) :: EngineError.t()
  def timeout(timeout, what) do
    %EngineError{code: :timeout, message: "no answer to #{what} within #{timeout} ms"}
  end
end
