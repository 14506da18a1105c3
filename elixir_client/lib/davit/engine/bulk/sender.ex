defmodule Davit.Engine.Bulk.Sender do
  @moduledoc false
  # Sends large tensors, in a process of its own, as callers may die meanwhile: a transfer that has begun has to be finished,
  # or the engine would take the next one for the rest of it.

  use GenServer

  alias Davit.Engine.Bulk.Connection
  alias Davit.Engine.{Routes, Session}

  @enforce_keys [:session, :request, :frame, :transfer, :data, :ref]
  defstruct [:session, :request, :frame, :transfer, :data, :ref]

  @typedoc "A `put`: its frame, the bytes that follow it, and the tensor's reference, which keeps it from being freed."
  @type put :: %__MODULE__{
          session: Session.t(),
          request: pos_integer,
          frame: iodata,
          transfer: pos_integer,
          data: binary,
          ref: Davit.Tensor.Ref.t()
        }

  @spec start_link(port) :: GenServer.on_start()
  def start_link(socket), do: GenServer.start_link(__MODULE__, {self(), socket})

  @doc "Sends a put. The process that started the sender gets `{:sent, sender, result}`."
  @spec put(pid, put) :: :ok
  def put(sender, put), do: GenServer.cast(sender, put)

  @impl true
  def init(state), do: {:ok, state}

  @impl true
  def handle_cast(%__MODULE__{} = put, {parent, socket} = state) do
    send(parent, {:sent, self(), send_all(put, socket)})

    # Neither the bytes, which may be many, nor the tensor's token, which the collector counts, may stay as garbage.
    {:noreply, state, :hibernate}
  end

  @impl true
  def handle_info(_, state), do: {:noreply, state}

  # The request is sent before its bytes: otherwise the engine would wait for it, and so would later transfers.
  defp send_all(%{session: session} = put, socket) do
    if Routes.member?(session.routes, put.request) do
      with :ok <- Session.send_frame(session, put.frame),
           do: Connection.write(socket, put.transfer, put.data)
    else
      # The caller died before the transfer began.
      :ok
    end
  end
end
