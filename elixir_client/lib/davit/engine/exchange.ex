defmodule Davit.Engine.Exchange do
  @moduledoc false
  # Sends the requests of one process to an engine, and receives their answers. Every request has a row in the session's table
  # of routes. By this row the engine's owner sends the frames that come for the request to an alias of the process. The alias
  # is also a monitor of the owner, so the process gets a message in every case:
  #
  #   * `{ref, frame}`: a frame for one of its requests;
  #   * `{ref, error}`: the engine is gone, or the request failed on this side;
  #   * `{:DOWN, ref, _, _, reason}`: the owner died.
  #
  # `call/4` waits for one answer, `converse/3` for any number of messages. A process that takes its messages itself, such as
  # a GenServer, uses `open/1`, `request/4` and `close/1`.
  #
  # `call/4` and `converse/3` create the reference in the function that receives, or that calls a local function which
  # receives. For such a receive the compiler sets a marker, and messages that were in the mailbox before are skipped.

  alias Davit.{EngineError, Frame}
  alias Davit.Engine.{Routes, Session}

  @enforce_keys [:session, :ref]
  defstruct [:session, :ref]

  @type t :: %__MODULE__{session: Session.t(), ref: reference}

  @typedoc "What a conversation does next: it waits for a message, no longer than the timeout, or it is over."
  @type step :: {:wait, timeout, state :: term} | {:done, result :: term}

  @doc """
  Sends one request and waits for its answer.

  `send` puts the request with the given number into the port, or has another process do it. Where it fails, the result is
  `{:unsent, error}`: the engine knows nothing of the request. After a timeout the engine still works on it, and the caller
  has to cancel it.
  """
  @spec call(Session.t(), Routes.kind(), timeout, (pos_integer -> :ok | {:error, EngineError.t()})) ::
          {:ok, frame :: binary}
          | {:error, EngineError.t()}
          | {:unsent, EngineError.t()}
          | {:timeout, request :: pos_integer}
  def call(session, kind, timeout, send) do
    ref = :erlang.monitor(:process, session.owner, alias: :reply_demonitor)
    request = Session.next_id(session)
    # The owner learns of the caller before it can get an answer for it.
    Session.queue(session)
    Routes.add(session.routes, request, ref, kind)

    case send.(request) do
      :ok ->
        receive do
          {^ref, frame} when is_binary(frame) ->
            Routes.remove(session.routes, request)
            {:ok, frame}

          {^ref, error} ->
            {:error, error}

          {:DOWN, ^ref, _, _, reason} ->
            Routes.remove(session.routes, request)
            {:error, Session.owner_down(reason)}
        after
          timeout ->
            forget(session, ref, request)
            {:timeout, request}
        end

      {:error, error} ->
        forget(session, ref, request)
        {:unsent, error}
    end
  end

  # The owner may have sent something at the same time.
  defp forget(session, ref, request) do
    Routes.remove(session.routes, request)
    Process.demonitor(ref, [:flush])
    flush(ref)
  end

  @doc """
  Exchanges any number of messages. `start` sends the first requests; `handle` gets each frame that comes for one of
  them, or `:timeout`, and the state. Both return what to do next.

  Raises `Davit.EngineError` where the engine is gone. Where `start` or `handle` raises, the requests that are still under
  way are cancelled.
  """
  @spec converse(Session.t(), (t -> step), (binary | :timeout, state :: term -> step)) :: term
  def converse(session, start, handle) do
    # `:demonitor` keeps the alias over many messages.
    ref = :erlang.monitor(:process, session.owner, alias: :demonitor)

    # Other functions get the reference in a struct: the compiler would drop the marker after the last use of a plain `ref`.
    exchange = %__MODULE__{session: session, ref: ref}
    Session.queue(session)

    try do
      wait(ref, handle, start.(exchange))
    catch
      kind, reason ->
        cancel_all(exchange)
        :erlang.raise(kind, reason, __STACKTRACE__)
    end
  end

  defp wait(ref, _handle, {:done, result}) do
    Process.demonitor(ref, [:flush])
    result
  end

  defp wait(ref, handle, {:wait, timeout, state}) do
    receive do
      {^ref, frame} when is_binary(frame) -> wait(ref, handle, handle.(frame, state))
      {^ref, error} -> raise error
      {:DOWN, ^ref, _, _, reason} -> raise Session.owner_down(reason)
    after
      timeout -> wait(ref, handle, handle.(:timeout, state))
    end
  end

  defp cancel_all(%{session: session, ref: ref} = exchange) do
    close(exchange)

    for request <- Routes.remove_all(session.routes, ref),
        do: Session.notify(session, 0, ["cancel", request, "its caller raised"])

    flush(ref)
  end

  @doc "Opens an exchange for a process that takes the messages out of its mailbox itself."
  @spec open(Session.t()) :: t
  def open(session) do
    ref = :erlang.monitor(:process, session.owner, alias: :demonitor)
    # Should this process die, the owner cancels and unsubscribes for it.
    Session.queue(session)
    %__MODULE__{session: session, ref: ref}
  end

  @doc "Sends a request, whose answers come as messages. Returns its number."
  @spec request(t, Routes.kind(), header :: binary, [binary]) ::
          {:ok, pos_integer} | {:error, EngineError.t()}
  def request(%__MODULE__{session: session, ref: ref}, kind, header, attachments \\ []) do
    request = Session.next_id(session)
    Routes.add(session.routes, request, ref, kind)

    case Session.send_frame(session, Frame.encode(request, header, attachments)) do
      :ok ->
        {:ok, request}

      {:error, error} ->
        Routes.remove(session.routes, request)
        {:error, error}
    end
  end

  @doc "Ends a request: nothing more is sent here for it."
  @spec finish(t, pos_integer) :: true
  def finish(%__MODULE__{session: session}, request), do: Routes.remove(session.routes, request)

  @doc "Closes an exchange: no message comes after this. What came before stays in the mailbox."
  @spec close(t) :: true
  def close(%__MODULE__{ref: ref}), do: Process.demonitor(ref, [:flush])

  # The alias has to be inactive.
  defp flush(ref) do
    receive do
      {^ref, _} -> flush(ref)
    after
      0 -> :ok
    end
  end
end
