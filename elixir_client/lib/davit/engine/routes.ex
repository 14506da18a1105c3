defmodule Davit.Engine.Routes do
  @moduledoc false
  # The table of requests that an answer is expected for. Each has a row of `{request, alias, pid, kind}`. The process that
  # sends a request adds the row, and removes it when it has the answer. The engine's owner looks up each frame's request, and
  # sends the frame to the alias as `{alias, frame}`. A row whose request fails on this side gets `{alias, error}`.
  #
  # The table ends with its engine. After that there are no routes: adding and removing one does nothing, as sending the
  # request fails anyway.

  alias Davit.EngineError

  @type t :: :ets.tid()

  @typedoc """
  The kind of a request. When the process that waits for it dies, the engine gets `cancel` for a run or a plain request,
  and `unsubscribe` for a subscription. `sent` counts the frames that were sent to the process of a subscription.
  """
  @type kind :: :run | :request | :subscription | {:subscription, sent :: :counters.counters_ref()}

  @doc "Creates a table, owned by the calling process."
  @spec new() :: t
  def new, do: :ets.new(:routes, [:public, read_concurrency: true, write_concurrency: true])

  @doc "Adds a route: frames for the request are sent to the alias `ref` of the calling process."
  @spec add(t, pos_integer, reference, kind) :: true
  def add(routes, request, ref, kind) do
    :ets.insert(routes, {request, ref, self(), kind})
  rescue
    ArgumentError -> true
  end

  @doc "Removes the route of a request."
  @spec remove(t, pos_integer) :: true
  def remove(routes, request) do
    :ets.delete(routes, request)
  rescue
    ArgumentError -> true
  end

  @doc "Removes all routes to the alias `ref`, and returns their requests. It looks through the whole table."
  @spec remove_all(t, reference) :: [pos_integer]
  def remove_all(routes, ref) do
    for {request, _, _, _} <- take(routes, {:_, ref, :_, :_}), do: request
  end

  @doc "Returns whether a request has a route: a process waits for its answer."
  @spec member?(t, pos_integer) :: boolean
  def member?(routes, request) do
    :ets.member(routes, request)
  rescue
    ArgumentError -> false
  end

  @doc "Returns how many requests and subscriptions have a route."
  @spec size(t) :: non_neg_integer
  def size(routes) do
    case :ets.info(routes, :size) do
      :undefined -> 0
      size -> size
    end
  end

  @doc "Returns whether a process waits for an answer. A process does not wait for the events of a subscription."
  @spec waiting?(t, pid) :: boolean
  def waiting?(routes, pid) do
    match = {:_, :_, pid, :"$1"}
    guards = [{:"=/=", :"$1", :subscription}, {:not, {:is_tuple, :"$1"}}]
    :ets.select(routes, [{match, guards, [true]}], 1) != :"$end_of_table"
  rescue
    ArgumentError -> false
  end

  @doc "Sends a frame to the process that waits for it. Returns false if there is none. Only the owner calls this."
  @spec deliver(t, pos_integer, frame :: binary) :: boolean
  def deliver(routes, request, frame) do
    case :ets.lookup(routes, request) do
      [{_, ref, _, kind}] ->
        count(kind)
        send(ref, {ref, frame})
        true

      [] ->
        false
    end
  end

  # A run compares this count with the number of frames that the process of the subscription has handled.
  defp count({:subscription, sent}), do: :counters.add(sent, 1, 1)
  defp count(_), do: :ok

  @doc "Answers a request in place of the engine, if a process waits for it, and removes its route."
  @spec answer(t, pos_integer, binary | EngineError.t()) :: :ok
  def answer(routes, request, answer) do
    for {_, ref, _, _} <- :ets.take(routes, request), do: send(ref, {ref, answer})
    :ok
  rescue
    ArgumentError -> :ok
  end

  @doc "Answers all requests with an error, and removes their routes."
  @spec fail_all(t, EngineError.t()) :: :ok
  def fail_all(routes, error) do
    for {_, ref, _, _} <- take(routes, :_), do: send(ref, {ref, error})
    :ok
  end

  @doc "Removes all routes of a process, and returns their requests and kinds. It looks through the whole table."
  @spec remove_process(t, pid) :: [{pos_integer, kind}]
  def remove_process(routes, pid) do
    for {request, _, _, kind} <- take(routes, {:_, :_, pid, :_}), do: {request, kind}
  end

  # A row that is removed meanwhile is returned all the same; one that was added meanwhile stays.
  defp take(routes, match) do
    rows = :ets.match_object(routes, match)
    for row <- rows, do: :ets.delete_object(routes, row)
    rows
  rescue
    ArgumentError -> []
  end
end
