defmodule Davit.Nx.Compiler.Cache do
  @moduledoc false
  # Compiled functions by their keys, and programs by their graphs. Those that are not used are forgotten. One process compiles a
  # function at a time; others that want the same wait for it, unless it waits for them.

  use GenServer

  alias Davit.{Graph, Program, Tensor}
  alias Davit.Nx.{Compiler.Code, Generations}

  @table __MODULE__
  # Entries of a generation.
  @most 1024
  # Milliseconds to wait for a process that compiles the same; then both do.
  @patience 60_000
  @counters [
    :hits,
    :programs,
    :stored,
    :verified,
    :differed,
    :function,
    :arguments,
    :captured,
    :process,
    :forgotten
  ]

  @typedoc """
  Why a function was traced: for the first time; for arguments of other templates; with other captured values; for another
  process, since it calls functions that belong to one; or again, since it was forgotten.
  """
  @type reason :: :function | :arguments | :captured | :process | :forgotten

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "How often a compiled function was found, a function was traced, by reason, and a program loaded."
  @spec counts() :: %{atom => non_neg_integer}
  def counts do
    counters = :persistent_term.get(__MODULE__)

    for {name, place} <- Enum.with_index(@counters, 1),
        into: %{},
        do: {name, :counters.get(counters, place)}
  end

  @doc "Counts one more."
  @spec count(atom) :: :ok
  def count(name) do
    place = Enum.find_index(@counters, &(&1 == name)) + 1
    :counters.add(:persistent_term.get(__MODULE__), place, 1)
  end

  @doc """
  The compiled function of a key: a function, what it captured, and the templates of its arguments. Where there is none, `make`
  is called with the reason, and what it traced, or found in the store, is kept. `label` is for messages.
  """
  @spec fetch({term, term, term}, (() -> String.t()), (reason -> {:traced | :stored, compiled})) ::
          compiled
        when compiled: %{bound?: boolean}
  def fetch(key, label, make) do
    case find(key) do
      nil -> exclusively(key, label.(), fn -> find(key) || trace(key, make) end)
      compiled -> compiled
    end
  end

  @doc "Forgets a compiled function. One that is compiled just now is forgotten then."
  @spec forget({term, term, term}, String.t()) :: :ok
  def forget(key, label) do
    exclusively(key, label, fn -> Generations.delete(@table, {:compiled, key}) end)
  end

  defp find(key) do
    case lookup({:compiled, key}) do
      :bound -> lookup({:compiled, key, self()})
      compiled -> compiled
    end
    |> tap(&if(&1, do: count(:hits)))
  end

  defp trace({function, captured, _} = key, make) do
    known? = lookup({:compiled, key}) == :bound

    reason =
      case lookup({:function, function}) do
        nil -> :function
        _ when known? -> :process
        {_, ^key} -> :forgotten
        {^captured, _} -> :arguments
        _ -> :captured
      end

    {how, compiled} = make.(reason)
    count(if how == :stored, do: :stored, else: reason)
    put({:function, function}, {captured, key})

    if compiled.bound? do
      put({:compiled, key}, :bound)
      put({:compiled, key, self()}, compiled)
    else
      put({:compiled, key}, compiled)
    end

    compiled
  end

  @doc "Keeps a value, as long as it is used or few others come."
  @spec note(term, term) :: term
  def note(key, value), do: put({:note, key}, value)

  @doc "The value that was kept, or nil."
  @spec noted(term) :: term
  def noted(key), do: lookup({:note, key})

  @doc "The program of a graph in an engine; loaded if it is not there."
  @spec program(Davit.Engine.name(), Graph.t()) :: Program.t()
  def program(engine, graph) do
    bytes = Graph.to_binary(graph)
    key = {:program, engine, Graph.hash(bytes)}

    lookup(key) ||
      exclusively(key, "a program", fn ->
        lookup(key) || tap(load(engine, bytes, graph.constants), &put(key, &1))
      end)
  end

  defp load(engine, bytes, constants) do
    constants =
      Map.new(constants, fn {hash, {type, data}} -> {hash, %Tensor{type: type, data: data}} end)

    program = Program.load(bytes, engine: engine, constants: constants, sites: :calling)
    count(:programs)
    program
  end

  defp lookup(key) do
    with {_, value} <- Generations.find(@table, key), do: value
  end

  defp put(key, value), do: Generations.put(@table, {key, value})

  # Runs `fun` in one process at a time: others wait, though not for longer than they may.
  defp exclusively(key, label, fun) do
    case lock(key, label) do
      {:locked, ref} ->
        try do
          fun.()
        after
          GenServer.cast(__MODULE__, {:unlock, key, ref})
        end

      :late ->
        fun.()

      {:nested, outer} ->
        raise "#{label} was to be compiled while #{outer} is, which waits for it; a function that is traced can call other " <>
                "functions of Nx.Defn, but not what Nx.Defn.jit makes of itself or of a function that calls it"
    end
  end

  defp lock(key, label) do
    # A process that was started while tracing may be waited for there.
    lineage = [self() | Process.get(:"$callers", [])]
    patience = Application.get_env(:davit, :compile_wait, @patience)

    try do
      GenServer.call(__MODULE__, {:lock, key, label, lineage}, patience)
    catch
      :exit, {:timeout, _} ->
        GenServer.cast(__MODULE__, {:give_up, key, self()})
        :late
    end
  end

  @impl true
  def init(_) do
    Generations.create(@table, @most)
    :persistent_term.put(__MODULE__, :counters.new(length(@counters), [:write_concurrency]))

    # The store's keys need the code of all modules, which takes longest the first time: it is read while the engine starts.
    if Application.get_env(:davit, :store), do: spawn(&Code.parts/0)
    {:ok, %{}}
  end

  # The state says of each locked key which process holds it, what it is called, and who waits for it, the last one first. A waiter is `from`
  # and the processes that wait for it.
  @impl true
  def handle_call({:lock, key, label, lineage}, from, locks) do
    case locks do
      %{^key => lock} ->
        if outer = outer(lock, lineage, locks),
          do: {:reply, {:nested, outer}, locks},
          else: {:noreply, %{locks | key => %{lock | waiting: [{from, lineage} | lock.waiting]}}}

      %{} ->
        {:noreply, grant(key, label, from, [], locks)}
    end
  end

  def handle_call(:age, _from, locks) do
    Generations.age(@table)
    # Hibernation collects the garbage, which would keep forgotten programs in their engines.
    {:reply, :ok, locks, :hibernate}
  end

  @impl true
  def handle_cast({:unlock, key, ref}, locks) do
    case locks do
      %{^key => %{ref: ^ref} = lock} ->
        Process.demonitor(ref, [:flush])
        {:noreply, next(key, lock, locks)}

      _ ->
        {:noreply, locks}
    end
  end

  # It may have got the lock meanwhile.
  def handle_cast({:give_up, key, pid}, locks) do
    case locks do
      %{^key => %{pid: ^pid, ref: ref}} ->
        handle_cast({:unlock, key, ref}, locks)

      %{^key => lock} ->
        waiting = Enum.reject(lock.waiting, &match?({{^pid, _}, _}, &1))
        {:noreply, %{locks | key => %{lock | waiting: waiting}}}

      %{} ->
        {:noreply, locks}
    end
  end

  @impl true
  def handle_info({:DOWN, ref, :process, _, _}, locks) do
    case Enum.find(locks, &match?({_, %{ref: ^ref}}, &1)) do
      {key, lock} -> {:noreply, next(key, lock, locks)}
      nil -> {:noreply, locks}
    end
  end

  # No other message is meant for this process.
  def handle_info(_, locks), do: {:noreply, locks}

  # What one of these processes has locked and the holder of a lock waits for, itself or through others; nil where there is nothing.
  defp outer(%{pid: pid, label: label}, lineage, locks) do
    if pid in lineage do
      label
    else
      Enum.find_value(locks, fn {_, lock} ->
        waits? = Enum.any?(lock.waiting, fn {_, waiting} -> pid in waiting end)
        waits? && outer(lock, lineage, locks)
      end)
    end
  end

  defp next(key, %{waiting: []}, locks), do: Map.delete(locks, key)

  defp next(key, %{waiting: waiting, label: label}, locks) do
    {{from, _}, rest} = List.pop_at(waiting, -1)
    grant(key, label, from, rest, locks)
  end

  defp grant(key, label, {pid, _} = from, waiting, locks) do
    ref = Process.monitor(pid)
    GenServer.reply(from, {:locked, ref})
    Map.put(locks, key, %{ref: ref, pid: pid, label: label, waiting: waiting})
  end
end
