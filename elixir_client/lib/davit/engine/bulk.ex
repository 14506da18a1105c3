defmodule Davit.Engine.Bulk do
  @moduledoc false
  # The connection for large tensors, a Unix socket that the engine listens on: opened on first use, one a
  # session, used both ways at once. Whoever sends holds it alone while it sends (in its own process). A
  # reader process takes transfers in as they come; this process keeps each until it is claimed.

  use GenServer

  alias Davit.EngineError

  @chunk 64 * 1024 * 1024
  @buffer 1024 * 1024
  # A transfer whose reader died or timed out is dropped after this long.
  @unclaimed 30_000
  @connect_timeout 5_000

  defstruct [
    :address,
    :token,
    :socket,
    :reader,
    :holder,
    queue: :queue.new(),
    arrived: %{},
    claims: %{}
  ]

  def start_link(name),
    do: GenServer.start_link(__MODULE__, nil, name: Davit.Engine.part(name, :bulk))

  @doc "Tells of a new session; whatever belonged to the one before is gone."
  @spec open(Davit.Engine.Session.t(), map) :: :ok
  def open(session, hello) do
    token = with {:bin, bytes} <- hello["token"], do: bytes
    GenServer.cast(session.bulk, {:open, hello["bulk"], token})
  end

  @doc """
  Opens the connection if it is not open yet, so that the engine can send over it. Gives what `claim/4` is to be told: what
  came over one connection does not come over the next.
  """
  @spec connect(Davit.Engine.Session.t()) :: {:ok, connection :: pid} | {:error, EngineError.t()}
  def connect(session), do: call(session, :connect)

  @doc "Calls `fun` with a function that sends `bytes` as transfer `n`; nobody else sends meanwhile."
  @spec sending(Davit.Engine.Session.t(), (port -> result)) :: result | {:error, EngineError.t()}
        when result: term
  def sending(session, fun) do
    case call(session, :lock) do
      {:ok, socket} ->
        try do
          fun.(socket)
        after
          GenServer.cast(session.bulk, {:unlock, self()})
        end

      error ->
        error
    end
  end

  @doc "Sends one transfer over the socket that `sending/2` gave."
  @spec transfer(port, pos_integer, binary) :: :ok | {:error, EngineError.t()}
  def transfer(socket, n, bytes) do
    with :ok <- tcp_send(socket, <<n::64, byte_size(bytes)::64>>), do: chunks(socket, bytes, 0)
  end

  defp chunks(_socket, bytes, position) when position == byte_size(bytes), do: :ok

  defp chunks(socket, bytes, position) do
    size = min(@chunk, byte_size(bytes) - position)

    with :ok <- tcp_send(socket, binary_part(bytes, position, size)) do
      chunks(socket, bytes, position + size)
    end
  end

  defp tcp_send(socket, bytes) do
    with {:error, reason} <- :gen_tcp.send(socket, bytes), do: {:error, closed(reason)}
  end

  @doc """
  The bytes of transfer `n` of the engine, once they are here. An error of the code `:transfer_broken` where the connection
  ended before they were; they may be asked for again.
  """
  @spec claim(Davit.Engine.Session.t(), pos_integer, pid, timeout) ::
          {:ok, binary} | {:error, EngineError.t()}
  def claim(session, n, connection, timeout), do: call(session, {:claim, n, connection}, timeout)

  defp call(session, what, timeout \\ :infinity) do
    GenServer.call(session.bulk, what, timeout)
  catch
    :exit, {:timeout, _} ->
      {:error, Davit.Engine.Request.timeout(timeout, "a bulk transfer")}

    :exit, _ ->
      {:error, Davit.Engine.Session.lost(session)}
  end

  @impl true
  def init(_), do: {:ok, %__MODULE__{}}

  @impl true
  def handle_cast({:open, path, token}, state) do
    state = disconnect(state, "the engine was started again")
    {:noreply, %{state | address: path, token: token}}
  end

  def handle_cast({:unlock, pid}, %{holder: {pid, ref}} = state) do
    Process.demonitor(ref, [:flush])
    {:noreply, next(%{state | holder: nil})}
  end

  def handle_cast({:unlock, _}, state), do: {:noreply, state}

  @impl true
  def handle_call(:connect, _from, state) do
    case connected(state) do
      {:ok, state} -> {:reply, {:ok, state.reader}, state}
      {:error, _} = error -> {:reply, error, state}
    end
  end

  def handle_call(:lock, from, state) do
    {:noreply, next(%{state | queue: :queue.in(from, state.queue)})}
  end

  def handle_call({:claim, n, reader}, from, %{reader: reader} = state) do
    case Map.pop(state.arrived, n) do
      {nil, _} -> {:noreply, put_in(state.claims[n], from)}
      {bytes, arrived} -> {:reply, {:ok, bytes}, %{state | arrived: arrived}}
    end
  end

  def handle_call({:claim, _, _}, _from, state),
    do: {:reply, {:error, closed("a process died while it sent, or the engine did")}, state}

  @impl true
  def handle_info({:arrived, reader, n, bytes}, %{reader: reader} = state) do
    case Map.pop(state.claims, n) do
      {nil, _} ->
        Process.send_after(self(), {:drop, n}, @unclaimed)
        {:noreply, put_in(state.arrived[n], bytes)}

      {from, claims} ->
        GenServer.reply(from, {:ok, bytes})
        {:noreply, %{state | claims: claims}}
    end
  end

  def handle_info({:closed, reader, reason}, %{reader: reader} = state) do
    {:noreply, disconnect(state, inspect(reason))}
  end

  def handle_info({:drop, n}, state) do
    {:noreply, %{state | arrived: Map.delete(state.arrived, n)}}
  end

  # The sender died, perhaps in the middle of its bytes: what comes after them could not be told apart.
  def handle_info({:DOWN, ref, :process, pid, _}, %{holder: {pid, ref}} = state) do
    {:noreply, next(disconnect(%{state | holder: nil}, "a process died while it sent"))}
  end

  def handle_info(_, state), do: {:noreply, state}

  defp next(%{holder: nil} = state) do
    with {{:value, {pid, _} = from}, queue} <- :queue.out(state.queue),
         state = %{state | queue: queue},
         {:ok, state} <- reply_error(connected(state), from, state) do
      GenServer.reply(from, {:ok, state.socket})
      %{state | holder: {pid, Process.monitor(pid)}}
    else
      {:empty, _} -> state
      {:next, state} -> next(state)
    end
  end

  defp next(state), do: state

  defp reply_error({:ok, state}, _from, _state), do: {:ok, state}

  defp reply_error(error, from, state) do
    GenServer.reply(from, error)
    {:next, state}
  end

  defp connected(%{address: nil}), do: {:error, closed("the engine has no bulk socket")}
  defp connected(%{socket: socket} = state) when socket != nil, do: {:ok, state}

  defp connected(state) do
    options =
      [:binary, active: false, packet: :raw] ++ [buffer: @buffer, sndbuf: @buffer, recbuf: @buffer]

    with {:ok, socket} <- :gen_tcp.connect({:local, state.address}, 0, options, @connect_timeout),
         :ok <- :gen_tcp.send(socket, state.token) do
      owner = self()
      reader = spawn_link(fn -> receive(do: (:go -> read(owner, socket))) end)
      :ok = :gen_tcp.controlling_process(socket, reader)
      send(reader, :go)
      {:ok, %{state | socket: socket, reader: reader}}
    else
      {:error, reason} -> {:error, closed("it cannot be opened (#{:inet.format_error(reason)})")}
    end
  end

  defp disconnect(state, why) do
    if state.socket, do: :gen_tcp.close(state.socket)
    if state.holder, do: Process.demonitor(elem(state.holder, 1), [:flush])
    for {_, from} <- state.claims, do: GenServer.reply(from, {:error, closed(why)})
    %{state | socket: nil, reader: nil, holder: nil, claims: %{}, arrived: %{}}
  end

  defp read(owner, socket) do
    with {:ok, <<n::64, length::64>>} <- :gen_tcp.recv(socket, 16),
         {:ok, bytes} <- read_bytes(socket, length, []) do
      send(owner, {:arrived, self(), n, bytes})
      read(owner, socket)
    else
      {:error, reason} -> send(owner, {:closed, self(), reason})
    end
  end

  defp read_bytes(_socket, 0, [chunk]), do: {:ok, chunk}
  defp read_bytes(_socket, 0, chunks), do: {:ok, chunks |> Enum.reverse() |> IO.iodata_to_binary()}

  defp read_bytes(socket, left, chunks) do
    with {:ok, chunk} <- :gen_tcp.recv(socket, min(left, @chunk)) do
      read_bytes(socket, left - byte_size(chunk), [chunk | chunks])
    end
  end

  defp closed(reason) do
    text = if is_atom(reason), do: :inet.format_error(reason), else: reason
    %EngineError{code: :transfer_broken, message: "the bulk connection failed: #{text}"}
  end
end
