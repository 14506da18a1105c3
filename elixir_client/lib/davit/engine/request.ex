defmodule Davit.Engine.Request do
  @moduledoc """
  One request with one answer. The calling process sends it and waits for it.
  """

  alias Davit.{EngineError, Frame, Msgpack}
  alias Davit.Engine.Session

  # What a receive can wait for.
  @longest 0xFFFF_FFFF

  @type send ::
          (Session.t(), request :: pos_integer, frame :: iodata -> :ok | {:error, EngineError.t()})
  @type answer :: {:ok, result :: term, Frame.attachments()} | {:error, EngineError.t()}

  @doc """
  Sends a request and waits for its answer.

  `send` puts its frame into the port, at once or by another process; it is told the request's number.
  """
  @spec call(Session.t(), list, [iodata], timeout, send) :: answer
  def call(session, message, attachments \\ [], timeout \\ :infinity, send \\ &now/3) do
    # The reference is made and waited for in this one function: the receive then skips whatever was in
    # the mailbox before, however much that is.
    ref = :erlang.monitor(:process, session.owner, alias: :reply_demonitor)
    request = Session.next_id(session)
    # The owner learns of the caller before it can get an answer for it.
    Session.queue(session)
    Session.route(session, request, ref, :request)
    frame = Frame.encode(request, Msgpack.encode(message), attachments)

    with :ok <- send.(session, request, frame) do
      receive do
        {^ref, frame} when is_binary(frame) ->
          Session.unroute(session, request)
          answer(frame)

        {^ref, %EngineError{} = error} ->
          {:error, error}

        {:DOWN, ^ref, _, _, reason} ->
          {:error, owner_down(reason)}
      after
        timeout ->
          Session.notify(session, 0, ["cancel", request, "timeout"])
          abandon(session, request, ref)
          {:error, timeout(timeout, hd(message))}
      end
    else
      {:error, error} ->
        abandon(session, request, ref)
        {:error, error}
    end
  end

  defp now(session, _request, frame), do: Session.send_frame(session, frame)

  defp abandon(session, request, ref) do
    Session.unroute(session, request)
    Process.demonitor(ref, [:flush])
    Session.flush(ref)
  end

  @doc "The option `:timeout`, or `:infinity`. Raises `ArgumentError` for what is no timeout."
  @spec timeout!(keyword) :: timeout
  def timeout!(options) do
    expected = ":infinity or milliseconds from 0 to #{@longest}"
    valid? = &(&1 == :infinity or (is_integer(&1) and &1 in 0..@longest))
    Davit.Options.get!(options, :timeout, :infinity, expected, valid?)
  end

  @doc "Reads an answer."
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
  def protocol(why), do: %EngineError{code: :protocol, message: why}

  @doc false
  @spec timeout(timeout, String.t()) :: EngineError.t()
  def timeout(timeout, what) do
    %EngineError{code: :timeout, message: "no answer to #{what} within #{timeout} ms"}
  end

  @doc false
  @spec owner_down(term) :: EngineError.t()
  def owner_down(reason) do
    %EngineError{
      code: :engine_lost,
      message: "the engine's processes ended: #{Exception.format_exit(reason)}"
    }
  end
end
