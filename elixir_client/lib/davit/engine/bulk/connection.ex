defmodule Davit.Engine.Bulk.Connection do
  @moduledoc false
  # One connection to the engine's bulk socket, used in both directions at once. The reader receives transfers and sends them
  # to the process that opened the connection, as `{:arrived, reader, n, bytes}`. The sender (`Davit.Engine.Bulk.Sender`)
  # writes. Both are linked to that process, and exit when the connection ends. They may be killed at any time: the second
  # reload of this module kills a reader that waits in code of before.
  #
  # The first transfer that arrives is number 0, without bytes: from then on the engine sends its transfers over this
  # connection. It may not have noticed before that the last connection ended.

  alias Davit.EngineError
  alias Davit.Engine.Bulk.Sender

  @chunk 64 * 1024 * 1024
  @buffer 1024 * 1024
  @connect_timeout 5_000

  @enforce_keys [:socket, :reader, :sender]
  defstruct [:socket, :reader, :sender]

  @type t :: %__MODULE__{socket: port, reader: pid, sender: pid}

  @doc "Connects, and authenticates with the session's token."
  @spec open(Path.t(), binary) :: {:ok, t} | {:error, EngineError.t()}
  def open(address, token) do
    # A connection is closed because it is of no use: `linger` keeps `close/1` from waiting until what is queued has been read.
    options =
      [:binary, active: false, packet: :raw, linger: {true, 0}] ++
        [buffer: @buffer, sndbuf: @buffer, recbuf: @buffer]

    with {:ok, socket} <- :gen_tcp.connect({:local, address}, 0, options, @connect_timeout),
         {:ok, connection} <- start(socket, token) do
      {:ok, connection}
    else
      {:error, reason} -> {:error, broken("it cannot be opened (#{:inet.format_error(reason)})")}
    end
  end

  defp start(socket, token) do
    reader = :proc_lib.spawn_link(__MODULE__, :start_reading, [self(), socket])

    with :ok <- :gen_tcp.send(socket, token),
         :ok <- :gen_tcp.controlling_process(socket, reader),
         {:ok, sender} <- Sender.start_link(socket) do
      send(reader, :go)
      {:ok, %__MODULE__{socket: socket, reader: reader, sender: sender}}
    else
      error ->
        end_process(reader)
        :gen_tcp.close(socket)
        error
    end
  end

  @doc "Closes the connection. Transfers under way are lost."
  @spec close(t) :: :ok
  def close(%__MODULE__{socket: socket, reader: reader, sender: sender}) do
    end_process(reader)
    end_process(sender)
    :gen_tcp.close(socket)
  end

  defp end_process(pid) do
    Process.unlink(pid)
    Process.exit(pid, :kill)
  end

  @doc "Returns the error of a transfer that ended before all its bytes had arrived."
  @spec broken(String.t()) :: EngineError.t()
  def broken(why),
    do: %EngineError{code: :transfer_broken, message: "the bulk connection failed: #{why}"}

  @doc "Writes the bytes of a transfer."
  @spec write(port, pos_integer, binary) :: :ok | {:error, EngineError.t()}
  def write(socket, n, bytes) do
    case write_all(socket, <<n::64, byte_size(bytes)::64>>, bytes, 0) do
      :ok -> :ok
      {:error, reason} -> {:error, broken("#{:inet.format_error(reason)}")}
    end
  end

  defp write_all(socket, part, bytes, position) do
    with :ok <- :gen_tcp.send(socket, part) do
      case min(@chunk, byte_size(bytes) - position) do
        0 -> :ok
        size -> write_all(socket, binary_part(bytes, position, size), bytes, position + size)
      end
    end
  end

  @doc false
  def start_reading(parent, socket) do
    receive do
      :go -> read(parent, socket)
    end
  end

  @doc false
  def read(parent, socket) do
    with {:ok, <<n::64, length::64>>} <- :gen_tcp.recv(socket, 16),
         {:ok, bytes} <- read_bytes(socket, length, []) do
      send(parent, {:arrived, self(), n, bytes})
      __MODULE__.read_on(parent, socket)
    else
      {:error, reason} -> exit({:shutdown, :inet.format_error(reason)})
    end
  end

  @doc false
  # A function of its own: the bytes that were read are garbage here, and can be collected.
  def read_on(parent, socket) do
    :erlang.garbage_collect()
    read(parent, socket)
  end

  defp read_bytes(_socket, 0, [chunk]), do: {:ok, chunk}
  defp read_bytes(_socket, 0, chunks), do: {:ok, chunks |> Enum.reverse() |> IO.iodata_to_binary()}

  defp read_bytes(socket, left, chunks) do
    with {:ok, chunk} <- :gen_tcp.recv(socket, min(left, @chunk)) do
      read_bytes(socket, left - byte_size(chunk), [chunk | chunks])
    end
  end
end
