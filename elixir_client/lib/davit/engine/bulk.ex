defmodule Davit.Engine.Bulk do
  @moduledoc false
  # Large tensors go over a Unix socket that the engine listens on: one connection a session, opened on first use. All that
  # goes over it is in the hands of this process and those of its connection, so that callers may give up or
  # die at any time: a transfer that was begun is finished, and one that nobody wants any more is not kept.

  use GenServer

  alias Davit.{EngineError, Frame, Msgpack}
  alias Davit.Engine.Bulk.{Connection, Reads, Sender}
  alias Davit.Engine.{Part, Request, Session}

  defstruct [
    :address,
    :token,
    :session,
    :alias,
    :connection,
    :sending,
    puts: :queue.new(),
    reads: %Reads{},
    monitors: %{}
  ]

  def start_link(name),
    do: Part.start_link(__MODULE__, nil, Part.name(name, :bulk))

  @doc "Tells of a new session; whatever belonged to the one before is gone."
  @spec open(Session.t(), map) :: :ok
  def open(session, hello) do
    token = with {:bin, bytes} <- hello["token"], do: bytes
    GenServer.cast(session.bulk, {:open, session, hello["bulk"], token})
  end

  @doc """
  Sends a `put` whose bytes are a transfer, when it is its turn. Where it cannot be sent, the error goes where the answer
  would go; its code is `:transfer_broken` where the connection ended, and it may be sent again.
  """
  @spec put(Sender.put()) :: :ok
  def put(%Sender{session: session} = put), do: GenServer.cast(session.bulk, put)

  @doc """
  The bytes of the tensor `id`. An error of the code `:transfer_broken` where the connection ended before they were here;
  they may be asked for again.
  """
  @spec read(Session.t(), pos_integer, timeout) :: {:ok, binary} | {:error, EngineError.t()}
  def read(session, id, timeout) do
    ref = :erlang.monitor(:process, session.bulk, alias: :reply_demonitor)

    # Nothing is asked under this number: the row shows that this process waits, and has it told of the engine's end.
    waiting = Session.next_id(session)
    Session.queue(session)
    Session.route(session, waiting, ref, :request)
    send(session.bulk, {:read, ref, self(), session, id})

    answer =
      receive do
        {^ref, {:ok, bytes}} ->
          {:ok, bytes}

        {^ref, error} ->
          {:error, error}

        {:DOWN, ^ref, _, _, _} ->
          # Until its owner ends too, the session would be taken for a running engine's.
          Session.ended(session)
          {:error, Session.lost(session)}
      after
        timeout ->
          send(session.bulk, {:give_up, ref})
          Process.demonitor(ref, [:flush])
          Session.flush(ref)
          {:error, Request.timeout(timeout, "get")}
      end

    Session.unroute(session, waiting)
    answer
  end

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    {:ok, %__MODULE__{}}
  end

  @impl true
  def handle_cast({:open, session, path, token}, state) do
    state = disconnect(state, "the engine was started again")
    if state.alias, do: :erlang.unalias(state.alias)
    new = [session: session, address: path, token: token, alias: :erlang.alias(), reads: %Reads{}]
    {:noreply, struct!(state, new)}
  end

  def handle_cast(%Sender{} = put, state),
    do: {:noreply, next(%{state | puts: :queue.in(put, state.puts)})}

  @impl true
  def handle_info({:read, ref, pid, session, id}, state) do
    with {:ok, state} <- connected(state),
         {:ok, request} <- ask(session, id, state.alias) do
      monitor = :erlang.monitor(:process, pid, tag: {:died, ref})
      monitors = Map.put(state.monitors, ref, monitor)
      {:noreply, %{state | reads: Reads.add(state.reads, ref, request), monitors: monitors}}
    else
      {:error, error} ->
        send(ref, {ref, error})
        {:noreply, state}
    end
  end

  def handle_info({alias, <<request::64, _::binary>> = frame}, %{alias: alias} = state) do
    Session.unroute(state.session, request)

    case Request.answer(frame) do
      {:ok, %{"transfer" => n}, _} ->
        {done, reads} = Reads.answered(state.reads, request, n)
        with {ref, bytes} <- done, do: send(ref, {ref, {:ok, bytes}})
        rest(%{state | reads: reads}, done && elem(done, 0))

      {:ok, result, _} ->
        answer = inspect(result, limit: 5)
        failed(state, request, Request.protocol("`get` was answered with #{answer}"))

      {:error, error} ->
        failed(state, request, error)
    end
  end

  # The engine is gone.
  def handle_info({alias, %EngineError{} = error}, %{alias: alias} = state) do
    for ref <- Reads.readers(state.reads), do: send(ref, {ref, error})
    {:noreply, forget_all(%{state | reads: %Reads{}})}
  end

  def handle_info({:arrived, reader, n, bytes}, %{connection: %{reader: reader}} = state) do
    {ref, reads} = Reads.arrived(state.reads, n, bytes)
    if ref, do: send(ref, {ref, {:ok, bytes}})
    rest(%{state | reads: reads}, ref)
  end

  def handle_info({:give_up, ref}, state), do: {:noreply, give_up(ref, "timeout", state)}

  def handle_info({{:died, ref}, _, :process, _, _}, state),
    do: {:noreply, give_up(ref, "caller died", state)}

  def handle_info({:sent, sender, result}, %{connection: %{sender: sender}} = state) do
    case result do
      :ok -> {:noreply, next(%{state | sending: nil}), :hibernate}
      {:error, error} -> {:noreply, state |> disconnect(Exception.message(error)) |> next()}
    end
  end

  def handle_info({:EXIT, pid, reason}, %{connection: %{reader: reader, sender: sender}} = state)
      when pid in [reader, sender] do
    why = with {:shutdown, text} <- reason, do: text
    {:noreply, state |> disconnect(if(is_list(why), do: "#{why}", else: inspect(why))) |> next()}
  end

  # Of a connection that was closed.
  def handle_info(_, state), do: {:noreply, state}

  defp ask(session, id, alias) do
    request = Session.next_id(session)
    Session.route(session, request, alias, :request)
    frame = Frame.encode(request, Msgpack.encode(["get", id, %{bulk: true}]))

    with {:error, error} <- Session.send_frame(session, frame) do
      Session.unroute(session, request)
      {:error, error}
    else
      :ok -> {:ok, request}
    end
  end

  defp failed(state, request, error) do
    {ref, reads} = Reads.failed(state.reads, request)
    if ref, do: send(ref, {ref, error})
    rest(%{state | reads: reads}, ref)
  end

  # Nothing of what came is to stay as garbage.
  defp rest(state, nil), do: {:noreply, state, :hibernate}

  defp rest(state, ref), do: {:noreply, forget(state, ref), :hibernate}

  defp forget(state, ref) do
    {monitor, monitors} = Map.pop(state.monitors, ref)
    if monitor, do: Process.demonitor(monitor, [:flush])
    %{state | monitors: monitors}
  end

  defp give_up(ref, why, state) do
    {request, reads} = Reads.give_up(state.reads, ref)
    if request, do: Session.notify(state.session, 0, ["cancel", request, why])
    forget(%{state | reads: reads}, ref)
  end

  # One put at a time is with the sender.
  defp next(%{sending: nil} = state) do
    with {{:value, put}, puts} <- :queue.out(state.puts) do
      case connected(%{state | puts: puts}) do
        {:ok, state} ->
          Sender.put(state.connection.sender, put)
          %{state | sending: %{put | data: nil, frame: nil, ref: nil}}

        {:error, error} ->
          Session.fail(put.session, put.request, error)
          next(%{state | puts: puts})
      end
    else
      {:empty, _} -> state
    end
  end

  defp next(state), do: state

  defp connected(%{address: nil}),
    do: {:error, Connection.broken("the engine has no bulk socket")}

  defp connected(%{connection: nil} = state) do
    with {:ok, connection} <- Connection.open(state.address, state.token),
         do: {:ok, %{state | connection: connection}}
  end

  defp connected(state), do: {:ok, state}

  defp disconnect(%{connection: nil} = state, _why), do: state

  defp disconnect(%{connection: connection, sending: sending} = state, why) do
    Connection.close(connection)
    error = Connection.broken(why)

    if sending do
      Session.fail(sending.session, sending.request, error)
      Session.notify(sending.session, 0, ["cancel", sending.request, "the connection failed"])
    end

    # Which of them were on their way is not known. What the engine still has to send comes over the next connection.
    readers = Reads.readers(state.reads)
    for ref <- readers, do: send(ref, {ref, error})
    state = Enum.reduce(readers, state, &give_up(&1, "the connection failed", &2))
    %{state | connection: nil, sending: nil}
  end

  defp forget_all(state) do
    for {_, monitor} <- state.monitors, do: Process.demonitor(monitor, [:flush])
    %{state | monitors: %{}}
  end
end
