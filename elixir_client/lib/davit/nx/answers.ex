defmodule Davit.Nx.Answers do
  @moduledoc false
  # Takes the answers to some of the runs that nobody waits for, so that whoever records operations can be held back when far
  # ahead of the engine, and nothing of that comes into a user's mailbox.

  use GenServer

  alias Davit.Engine.Session

  # By engine the alias that answers go to; by that and the request, who waits for its answer.
  defstruct aliases: %{}, waiting: %{}

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "Has the answer to a request come here, instead of nowhere."
  @spec expect(Session.t(), pos_integer) :: :ok
  def expect(session, request), do: GenServer.call(__MODULE__, {:expect, session, request})

  @doc "Waits until the request is answered, or its engine gone."
  @spec wait(pos_integer) :: :ok
  def wait(request), do: GenServer.call(__MODULE__, {:wait, request}, :infinity)

  @impl true
  def init(_), do: {:ok, %__MODULE__{}}

  @impl true
  def handle_call({:expect, session, request}, _from, state) do
    {ref, state} = alias_of(session.name, state)
    Session.route(session, request, ref, :run)
    {:reply, :ok, %{state | waiting: Map.put(state.waiting, {ref, request}, [])}}
  end

  def handle_call({:wait, request}, from, state) do
    case Enum.find(state.waiting, fn {{_, waiting}, _} -> waiting == request end) do
      nil -> {:reply, :ok, state}
      {key, others} -> {:noreply, put_in(state.waiting[key], [from | others])}
    end
  end

  @impl true
  def handle_info({ref, <<request::64, _::binary>>}, state) when is_reference(ref) do
    {waiting, rest} = Map.pop(state.waiting, {ref, request}, [])
    Enum.each(waiting, &GenServer.reply(&1, :ok))
    {:noreply, %{state | waiting: rest}}
  end

  # The engine is gone, and all that was asked of it.
  def handle_info({ref, _error}, state) when is_reference(ref) do
    {gone, rest} = Enum.split_with(state.waiting, fn {{engine, _}, _} -> engine == ref end)
    for {_, waiting} <- gone, from <- waiting, do: GenServer.reply(from, :ok)
    {:noreply, %{state | waiting: Map.new(rest)}}
  end

  def handle_info(_, state), do: {:noreply, state}

  defp alias_of(engine, state) do
    case state.aliases do
      %{^engine => ref} ->
        {ref, state}

      _ ->
        ref = :erlang.alias()
        {ref, put_in(state.aliases[engine], ref)}
    end
  end
end
