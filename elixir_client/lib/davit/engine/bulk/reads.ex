defmodule Davit.Engine.Bulk.Reads do
  @moduledoc false
  # The reads of large tensors that are under way: who waits for which request, and for which transfer. A read that gave up
  # stays until it is known which transfer was its own: that one is thrown away when it comes.

  # readers: the request of each reader. requests: {:asked | {:transfer, n}, reader}; the reader is nil where it gave up.
  # transfers: {:for, request}, or {:here, bytes} of a request that was not answered yet. unwanted: numbers of transfers.
  defstruct readers: %{}, requests: %{}, transfers: %{}, unwanted: []

  @type reader :: term
  @type t :: %__MODULE__{readers: map, requests: map, transfers: map, unwanted: [pos_integer]}

  @doc "A reader waits for a request."
  @spec add(t, reader, pos_integer) :: t
  def add(reads, reader, request) do
    %{
      reads
      | readers: Map.put(reads.readers, reader, request),
        requests: Map.put(reads.requests, request, {:asked, reader})
    }
  end

  @doc "The request was answered by an error. Returns who waited."
  @spec failed(t, pos_integer) :: {reader | nil, t}
  def failed(reads, request) do
    {state, requests} = Map.pop(reads.requests, request)
    reader = with {_, reader} <- state, do: reader
    {reader, %{reads | requests: requests, readers: Map.delete(reads.readers, reader)}}
  end

  @doc "The request was answered by a transfer. Returns who waited, and the bytes, where they came before the answer."
  @spec answered(t, pos_integer, pos_integer) :: {{reader, binary} | nil, t}
  def answered(reads, request, n) do
    case {Map.get(reads.requests, request), Map.get(reads.transfers, n)} do
      {{:asked, nil}, {:here, _}} ->
        {nil, reads |> forget(request) |> forget_transfer(n)}

      {{:asked, nil}, nil} ->
        {nil, reads |> forget(request) |> unwanted(n)}

      {{:asked, reader}, {:here, bytes}} ->
        {{reader, bytes}, reads |> forget(request) |> forget_transfer(n)}

      {{:asked, reader}, nil} ->
        requests = Map.put(reads.requests, request, {{:transfer, n}, reader})
        {nil, put_transfer(%{reads | requests: requests}, n, {:for, request})}

      _ ->
        {nil, reads}
    end
  end

  @doc "The bytes of a transfer are here. Returns who waited for them."
  @spec arrived(t, pos_integer, binary) :: {reader | nil, t}
  def arrived(reads, n, bytes) do
    case Map.get(reads.transfers, n) do
      {:for, request} ->
        {_, reader} = Map.fetch!(reads.requests, request)
        {reader, reads |> forget(request) |> forget_transfer(n) |> settle(n)}

      nil ->
        if n in reads.unwanted,
          do: {nil, settle(reads, n)},
          # Its answer is on the way.
          else: {nil, reads |> put_transfer(n, {:here, bytes}) |> settle(n)}
    end
  end

  @doc "A reader does not wait any longer. Returns the request that is to be cancelled."
  @spec give_up(t, reader) :: {pos_integer | nil, t}
  def give_up(reads, reader) do
    case Map.pop(reads.readers, reader) do
      {nil, _} ->
        {nil, reads}

      {request, readers} ->
        reads = %{reads | readers: readers}

        case Map.fetch!(reads.requests, request) do
          {:asked, _} ->
            {request, %{reads | requests: Map.put(reads.requests, request, {:asked, nil})}}

          {{:transfer, n}, _} ->
            {request, reads |> forget(request) |> forget_transfer(n) |> unwanted(n)}
        end
    end
  end

  @doc "All who wait."
  @spec readers(t) :: [reader]
  def readers(reads), do: Map.keys(reads.readers)

  defp forget(reads, request) do
    {{_, reader}, requests} = Map.pop!(reads.requests, request)
    %{reads | requests: requests, readers: Map.delete(reads.readers, reader)}
  end

  defp unwanted(reads, n), do: %{reads | unwanted: [n | reads.unwanted]}

  # Transfers come in the order of their numbers: one that was lost with its connection will not come any more.
  defp settle(%{unwanted: []} = reads, _n), do: reads
  defp settle(reads, n), do: %{reads | unwanted: Enum.filter(reads.unwanted, &(&1 > n))}

  defp put_transfer(reads, n, state),
    do: %{reads | transfers: Map.put(reads.transfers, n, state)}

  defp forget_transfer(reads, n), do: %{reads | transfers: Map.delete(reads.transfers, n)}
end
