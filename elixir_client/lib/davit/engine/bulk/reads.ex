defmodule Davit.Engine.Bulk.Reads do
  @moduledoc false
  # The reads of large tensors that are under way: which reader waits for which request, and for which transfer. The request
  # of a reader that gave up stays until its answer names its transfer, so that the transfer can be dropped when it arrives.

  # `readers`: the request of each reader. `requests`: `{:asked | {:transfer, n}, reader}` by request; the reader is nil if it
  # gave up. `transfers`: `{:for, request}` by number, or `{:here, bytes}` if the request was not answered yet. `unwanted`: the
  # numbers of transfers that are to be dropped.
  defstruct readers: %{}, requests: %{}, transfers: %{}, unwanted: []

  @type reader :: term
  @type t :: %__MODULE__{readers: map, requests: map, transfers: map, unwanted: [pos_integer]}

  @doc "Adds a reader that waits for a request."
  @spec add(t, reader, pos_integer) :: t
  def add(reads, reader, request) do
    %{
      reads
      | readers: Map.put(reads.readers, reader, request),
        requests: Map.put(reads.requests, request, {:asked, reader})
    }
  end

  @doc "Handles a request that was answered with an error. Returns its reader."
  @spec failed(t, pos_integer) :: {reader | nil, t}
  def failed(reads, request) do
    {state, requests} = Map.pop(reads.requests, request)
    reader = with {_, reader} <- state, do: reader
    {reader, %{reads | requests: requests, readers: Map.delete(reads.readers, reader)}}
  end

  @doc "Handles a request that was answered with a transfer. Returns its reader and the bytes, if they arrived before the answer."
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

  @doc "Handles the bytes of a transfer. Returns the reader that waits for them."
  @spec arrived(t, pos_integer, binary) :: {reader | nil, t}
  def arrived(reads, n, bytes) do
    case Map.get(reads.transfers, n) do
      {:for, request} ->
        {_, reader} = Map.fetch!(reads.requests, request)
        {reader, reads |> forget(request) |> forget_transfer(n) |> settle(n)}

      nil ->
        if n in reads.unwanted,
          do: {nil, settle(reads, n)},
          # Its answer has not arrived yet.
          else: {nil, reads |> put_transfer(n, {:here, bytes}) |> settle(n)}
    end
  end

  @doc "Handles a reader that gave up. Returns the request that has to be cancelled."
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

  @doc "Returns all readers that wait."
  @spec readers(t) :: [reader]
  def readers(reads), do: Map.keys(reads.readers)

  defp forget(reads, request) do
    {{_, reader}, requests} = Map.pop!(reads.requests, request)
    %{reads | requests: requests, readers: Map.delete(reads.readers, reader)}
  end

  defp unwanted(reads, n), do: %{reads | unwanted: [n | reads.unwanted]}

  # Transfers arrive in the order of their numbers: lower ones were lost with a connection, and do not arrive any more.
  defp settle(%{unwanted: []} = reads, _n), do: reads
  defp settle(reads, n), do: %{reads | unwanted: Enum.filter(reads.unwanted, &(&1 > n))}

  defp put_transfer(reads, n, state),
    do: %{reads | transfers: Map.put(reads.transfers, n, state)}

  defp forget_transfer(reads, n), do: %{reads | transfers: Map.delete(reads.transfers, n)}
end
