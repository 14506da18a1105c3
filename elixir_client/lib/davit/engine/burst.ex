defmodule Davit.Engine.Burst do
  @moduledoc false
  # Runs that are sent in one frame, in the order in which they were added. They are not answered.

  alias Davit.{Frame, Msgpack}

  # A burst takes no more runs when it has this many of them, or values and ids of this many bytes.
  @most 256
  @bytes 256 * 1024

  # The parts are in reverse order. `parent`: the run whose handler recorded these runs.
  defstruct parent: nil, runs: [], count: 0, bytes: 0, attachments: [], attached: 0

  @type t :: %__MODULE__{}

  @typedoc "Operands are ids of tensors, and values of the types that the program takes."
  @type run ::
          {request :: pos_integer, queue :: pos_integer, program :: pos_integer,
           operands :: [pos_integer | binary], outputs :: [pos_integer],
           parent :: pos_integer | nil}

  @doc "Returns the frames of runs, in order."
  @spec frames([run]) :: [iodata]
  def frames([]), do: []
  def frames([run | runs]), do: frames(runs, add(run, %__MODULE__{}))

  defp frames([], burst), do: [frame(burst)]

  defp frames([run | runs], burst) do
    if burst.count < @most and burst.bytes < @bytes and elem(run, 5) == burst.parent,
      do: frames(runs, add(run, burst)),
      else: [frame(burst) | frames(runs, add(run, %__MODULE__{}))]
  end

  defp add({request, queue, program, operands, outputs, parent}, burst) do
    {operands, burst} = Enum.map_reduce(operands, burst, &operand/2)
    outputs = Enum.map(outputs, &integer/1)
    names = [0x95, integer(request), integer(queue), integer(program)]

    %{
      burst
      | parent: parent,
        runs: [[names, array(operands), array(outputs)] | burst.runs],
        count: burst.count + 1
    }
  end

  defp operand(id, burst) when is_integer(id), do: {integer(id), %{burst | bytes: burst.bytes + 8}}

  defp operand(value, %{attached: attached} = burst) do
    {[<<0x93, 0xA6, "inline", 0xC0>>, integer(attached)],
     %{
       burst
       | attachments: [value | burst.attachments],
         attached: attached + 1,
         bytes: burst.bytes + byte_size(value) + 16
     }}
  end

  defp frame(burst) do
    runs = burst.runs |> Enum.reverse() |> array()
    header = [<<0x93, 0xA4, "runs">>, runs, Msgpack.encode(burst.parent)]
    Frame.encode(0, :erlang.iolist_to_binary(header), Enum.reverse(burst.attachments))
  end

  # msgpack of few widths, which is faster to write than the shortest.
  defp integer(n) when n < 0x80, do: n
  defp integer(n) when n < 0x1_0000_0000, do: <<0xCE, n::32>>
  defp integer(n), do: <<0xCF, n::64>>

  defp array(items), do: [Msgpack.array(length(items)) | items]
end
