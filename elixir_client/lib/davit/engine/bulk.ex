defmodule Davit.Engine.Bulk do
  @moduledoc false
  # Sends and receives large tensors over a Unix socket that the engine listens on. A session has one connection, opened on
  # first use. Only this process and the processes of the connection use the socket, so callers may give up or die at any
  # time: a transfer that has begun is finished, and its bytes are dropped if no process waits for them any more.
  #
  # A read has two numbers: `read`, under which the caller waits (`Davit.Engine.Exchange.call/4`), and `request`, under which
  # this process asks the engine. It asks nothing before the engine has greeted the connection (`Connection`).

  use GenServer

  alias Davit.{EngineError, Msgpack}
  alias Davit.Engine.Bulk.{Connection, Reads, Sender}
  alias Davit.Engine.{Exchange, Part, Request, Routes, Session}

  defstruct [
    :address,
    :token,
    :session,
    :exchange,
    :connection,
    :sending,
    greeted?: false,
    puts: :queue.new(),
    # The reads that wait until the connection is greeted, the last one first.
    unasked: [],
    reads: %Reads{},
    monitors: %{}
  ]

  def start_link(name),
    do: Part.start_link(__MODULE__, nil, Part.name(name, :bulk))

  @doc "Starts a new session. Transfers of the session before it end with errors."
  @spec open(Session.t(), map) :: :ok
  def open(session, hello) do
    token = with {:bin, bytes} <- hello["token"], do: bytes
    GenServer.cast(session.bulk, {:open, session, hello["bulk"], token})
  end

  @doc """
  Queues a `put` whose bytes are a transfer. If it cannot be sent, its answer is an error. The code of the error is
  `:transfer_broken` if the connection ended; the `put` may be sent again then.
  """
  @spec put(Sender.put()) :: :ok
  def put(%Sender{session: session} = put), do: GenServer.cast(session.bulk, put)

  @doc """
  Returns the bytes of the tensor `id`. The code of an error is `:transfer_broken` if the connection ended before all
  bytes had arrived; they may be read again then.
  """
  @spec read(Session.t(), pos_integer, timeout) :: {:ok, binary} | {:error, EngineError.t()}
  def read(session, id, timeout) do
    # The bulk process asks the engine, under another number, and answers this call.
    send = fn read ->
      send(session.bulk, {:read, read, self(), session, id})
      :ok
    end

    case Exchange.call(session, :request, timeout, send) do
      {:timeout, read} ->
        send(session.bulk, {:give_up, read})
        {:error, Request.timeout(timeout, "get")}

      answer ->
        answer
    end
  end

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    {:ok, %__MODULE__{}}
  end

  @impl true
  def handle_cast({:open, session, path, token}, state) do
    state = disconnect(state, "the engine was started again")
    if state.exchange, do: Exchange.close(state.exchange)
    exchange = Exchange.open(session)
    new = [session: session, address: path, token: token, exchange: exchange, reads: %Reads{}]
    {:noreply, struct!(state, new)}
  end

  def handle_cast(%Sender{} = put, state),
    do: {:noreply, next(%{state | puts: :queue.in(put, state.puts)})}

  @impl true
  # The session may be of an engine that has been replaced since.
  def handle_info({:read, read, _, %{instance: instance} = session, _}, state)
      when instance != state.session.instance do
    Routes.answer(session.routes, read, Session.lost(session))
    {:noreply, state}
  end

  def handle_info({:read, read, pid, session, id}, state) do
    case connected(state) do
      {:ok, state} ->
        monitor = :erlang.monitor(:process, pid, tag: {:died, read})
        state = put_in(state.monitors[read], monitor)

        if state.greeted?,
          do: {:noreply, ask({read, id}, state)},
          else: {:noreply, %{state | unasked: [{read, id} | state.unasked]}}

      {:error, error} ->
        Routes.answer(session.routes, read, error)
        {:noreply, state}
    end
  end

  def handle_info({ref, <<request::64, _::binary>> = frame}, %{exchange: %{ref: ref}} = state) do
    Exchange.finish(state.exchange, request)

    case Request.answer(frame) do
      {:ok, %{"transfer" => n}, _} ->
        {done, reads} = Reads.answered(state.reads, request, n)
        {read, bytes} = done || {nil, nil}
        answer(%{state | reads: reads}, read, bytes)

      {:ok, result, _} ->
        answer = Davit.Show.show(result)
        failed(state, request, Request.protocol("`get` was answered with #{answer}"))

      {:error, error} ->
        failed(state, request, error)
    end
  end

  # The engine is gone. Its owner has answered the callers, by their own routes.
  def handle_info({ref, %EngineError{}}, %{exchange: %{ref: ref}} = state),
    do: {:noreply, forget_all(%{state | reads: %Reads{}, unasked: []})}

  def handle_info({:arrived, reader, 0, _}, %{connection: %{reader: reader}} = state) do
    reads = Enum.reverse(state.unasked)
    {:noreply, Enum.reduce(reads, %{state | greeted?: true, unasked: []}, &ask/2)}
  end

  def handle_info({:arrived, reader, n, bytes}, %{connection: %{reader: reader}} = state) do
    {read, reads} = Reads.arrived(state.reads, n, bytes)
    answer(%{state | reads: reads}, read, bytes)
  end

  def handle_info({:give_up, read}, state), do: {:noreply, give_up(read, "timeout", state)}

  def handle_info({{:died, read}, _, :process, _, _}, state),
    do: {:noreply, give_up(read, "caller died", state)}

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

  # Messages of a connection that was closed.
  def handle_info(_, state), do: {:noreply, state}

  defp ask({read, id}, state) do
    header = Msgpack.encode(["get", id, %{bulk: true}])

    case Exchange.request(state.exchange, :request, header) do
      {:ok, request} ->
        %{state | reads: Reads.add(state.reads, read, request)}

      {:error, error} ->
        Routes.answer(state.session.routes, read, error)
        demonitor(state, read)
    end
  end

  defp failed(state, request, error) do
    {read, reads} = Reads.failed(state.reads, request)
    answer(%{state | reads: reads}, read, error)
  end

  # `read` is nil if more has to come, or if its caller gave up. The process hibernates, so that nothing of the bytes that came
  # stays as garbage.
  defp answer(state, nil, _answer), do: {:noreply, state, :hibernate}

  defp answer(state, read, answer) do
    Routes.answer(state.session.routes, read, answer)
    {:noreply, demonitor(state, read), :hibernate}
  end

  defp demonitor(state, read) do
    {monitor, monitors} = Map.pop(state.monitors, read)
    if monitor, do: Process.demonitor(monitor, [:flush])
    %{state | monitors: monitors}
  end

  defp give_up(read, why, state) do
    {request, reads} = Reads.give_up(state.reads, read)
    if request, do: Session.notify(state.session, 0, ["cancel", request, why])
    unasked = List.keydelete(state.unasked, read, 0)
    demonitor(%{state | reads: reads, unasked: unasked}, read)
  end

  # The sender has one put at a time.
  defp next(%{sending: nil} = state) do
    with {{:value, put}, puts} <- :queue.out(state.puts) do
      case connected(%{state | puts: puts}) do
        {:ok, state} ->
          Sender.put(state.connection.sender, put)
          %{state | sending: %{put | data: nil, frame: nil, ref: nil}}

        {:error, error} ->
          Routes.answer(put.session.routes, put.request, error)
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
      Routes.answer(sending.session.routes, sending.request, error)
      Session.notify(sending.session, 0, ["cancel", sending.request, "the connection failed"])
    end

    # It is not known which of the reads had been sent. The engine sends the others over the next connection, so they are
    # cancelled.
    readers = Reads.readers(state.reads) ++ for({read, _} <- state.unasked, do: read)
    for read <- readers, do: Routes.answer(state.session.routes, read, error)
    state = Enum.reduce(readers, state, &give_up(&1, "the connection failed", &2))
    %{state | connection: nil, greeted?: false, sending: nil}
  end

  defp forget_all(state) do
    for {_, monitor} <- state.monitors, do: Process.demonitor(monitor, [:flush])
    %{state | monitors: %{}}
  end
end
