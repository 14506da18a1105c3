defmodule Davit.Hooks.Destination do
  @moduledoc false
  # Encodes pids as values of a program, and decodes them. The bytes to be decoded may be anything, as programs can compute
  # them.

  alias Davit.{EngineError, Tensor}
  alias Davit.Hooks.{Event, Reach, Site}

  # Values are padded with zeros to a multiple of this, so that the processes of a node have the same length.
  @multiple 64

  @doc "Returns the uint8 vector that stands for a process. Raises `ArgumentError` for a system process of this node."
  @spec encode(pid) :: Tensor.t()
  def encode(pid) do
    if node(pid) == node() and Reach.of(pid) == :system do
      raise ArgumentError,
            "expected a process of an application, got #{named(pid)}, which is a system process"
    end

    bytes = :erlang.term_to_binary(pid)
    filled = div(byte_size(bytes) + @multiple - 1, @multiple) * @multiple
    zeros = <<0::size(filled - byte_size(bytes))-unit(8)>>
    Tensor.from_binary_in_vm(bytes <> zeros, {:uint8, {filled}})
  end

  @doc """
  Decodes a pid. Nothing but a pid in the external term format is decoded, and no atom is created, so the pid is of a node
  whose name this VM knows.
  """
  @spec decode(binary) :: {:ok, pid} | :error
  def decode(<<131, 88, _::binary>> = bytes) do
    {pid, used} = :erlang.binary_to_term(bytes, [:safe, :used])
    rest = binary_part(bytes, used, byte_size(bytes) - used)
    if :binary.replace(rest, <<0>>, <<>>, [:global]) == <<>>, do: {:ok, pid}, else: :error
  rescue
    ArgumentError -> :error
  end

  def decode(_), do: :error

  @doc "Sends an event to the process that its last value names. Raises `Davit.EngineError`."
  @spec deliver(Event.t()) :: :ok
  def deliver(%Event{values: values} = event) do
    {values, [destination]} = Enum.split(values, -1)

    with %Tensor{data: bytes} <- destination, {:ok, pid} <- decode(bytes) do
      case Reach.of(pid) do
        :process -> send_event(pid, %{event | values: values})
        :none -> :ok
        :system -> raise bad(event, "a system process", named(pid))
      end
    else
      _ -> raise bad(event, "not a process of a known node", Davit.Show.show(destination))
    end
  end

  # A destination must not make this node connect to another.
  defp send_event(pid, event) do
    _ = Process.send(pid, {:davit_hook, event.name, event}, [:noconnect])
    :ok
  end

  defp named(pid) do
    case node(pid) == node() && Process.info(pid, :registered_name) do
      {_, name} when is_atom(name) -> "#{inspect(pid)} (#{inspect(name)})"
      _ -> inspect(pid)
    end
  end

  defp bad(%Event{site: site, label: label}, what, destination) do
    %EngineError{
      code: :destination_invalid,
      label: label,
      message: "the destination of #{Site.title(site)} is #{what}: #{destination}",
      expected: "Davit.Hooks.to(pid)"
    }
  end
end
