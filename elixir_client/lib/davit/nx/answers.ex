defmodule Davit.Nx.Answers do
  @moduledoc false
  # Takes the answers to some of the runs whose callers go on without them. A process that is far ahead of the engine can wait
  # for such an answer here, and no message of it gets into the mailbox of the process.

  use GenServer

  alias Davit.Engine.{Routes, Session}

  # `engines`: by engine its owner, and the alias to which the owner sends answers. The alias is a monitor of the owner as well.
  # `waiting`: by alias and request the table that has the route of the answer, and the calls that wait for it.
  defstruct engines: %{}, waiting: %{}

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "Makes the answer to a request, which is not sent yet, come to this process."
  @spec expect(Session.t(), pos_integer) :: :ok
  def expect(session, request),
    do: GenServer.call(__MODULE__, {:expect, session, request}, :infinity)

  @doc "Waits until an expected answer has come, or the engine has ended."
  @spec wait(Session.t(), pos_integer) :: :ok
  def wait(session, request),
    do: GenServer.call(__MODULE__, {:wait, session.name, request}, :infinity)

  @impl true
  def init(_), do: {:ok, %__MODULE__{}}

  @impl true
  def handle_call({:expect, session, request}, _from, state) do
    {ref, state} = alias_for(session, state)
    Routes.add(session.routes, request, ref, :run)
    {:reply, :ok, %{state | waiting: Map.put(state.waiting, {ref, request}, {session.routes, []})}}
  end

  def handle_call({:wait, engine, request}, from, state) do
    with {_, ref} <- state.engines[engine],
         {routes, froms} <- state.waiting[{ref, request}] do
      {:noreply, put_in(state.waiting[{ref, request}], {routes, [from | froms]})}
    else
      nil -> {:reply, :ok, state}
    end
  end

  @impl true
  def handle_info({ref, <<request::64, _::binary>>}, state) when is_reference(ref) do
    case Map.pop(state.waiting, {ref, request}) do
      {{routes, froms}, waiting} ->
        Routes.remove(routes, request)
        Enum.each(froms, &GenServer.reply(&1, :ok))
        {:noreply, %{state | waiting: waiting}}

      {nil, _} ->
        {:noreply, state}
    end
  end

  # The engine has ended; its owner starts it again.
  def handle_info({ref, _error}, state) when is_reference(ref), do: {:noreply, release(ref, state)}

  def handle_info({:DOWN, ref, _, _, _}, state) do
    engines = Map.reject(state.engines, fn {_, {_, alias}} -> alias == ref end)
    {:noreply, release(ref, %{state | engines: engines})}
  end

  def handle_info(_, state), do: {:noreply, state}

  # None of the answers of an engine that has ended will come.
  defp release(ref, state) do
    {ended, waiting} = Enum.split_with(state.waiting, fn {{alias, _}, _} -> alias == ref end)
    for {_, {_, froms}} <- ended, from <- froms, do: GenServer.reply(from, :ok)
    %{state | waiting: Map.new(waiting)}
  end

  defp alias_for(%{name: engine, owner: owner}, state) do
    case state.engines do
      %{^engine => {^owner, ref}} ->
        {ref, state}

      _ ->
        ref = :erlang.monitor(:process, owner, alias: :demonitor)
        {ref, put_in(state.engines[engine], {owner, ref})}
    end
  end
end
