if Code.ensure_loaded?(Kino) do
  defmodule Davit.Kino.Watcher do
    @moduledoc false
    # A subscription that shows its events. Kino ends this process with the cell that started it.

    use GenServer, restart: :temporary
    require Logger
    alias Davit.Hooks
    alias Davit.Kino.Reading

    @typedoc "Shows new readings, and gets the latest of every series as well."
    @type show :: ([Reading.t()], latest :: %{String.t() => Reading.t()} -> term)

    def start_link(arguments), do: GenServer.start_link(__MODULE__, arguments)

    @impl true
    def init({match, subscription, show}) do
      case Hooks.subscribe(match, subscription) do
        {:ok, ref} -> {:ok, %{ref: ref, match: match, show: show, latest: %{}, seen: %{}}}
        {:error, error} -> {:stop, error}
      end
    rescue
      error in ArgumentError -> {:stop, error}
    end

    @impl true
    def handle_info({:davit_hook, ref, event}, %{ref: ref} = state) do
      {readings, seen} = Reading.of(event, state.seen)
      latest = for reading <- readings, into: state.latest, do: {reading.series, reading}
      state.show.(readings, latest)
      {:noreply, %{state | latest: latest, seen: seen}}
    end

    def handle_info({:davit_hook_down, ref, error}, %{ref: ref} = state) do
      Logger.warning("#{inspect(state.match)} is shown no longer: #{Exception.message(error)}")
      {:stop, :normal, state}
    end

    def handle_info(_, state), do: {:noreply, state}
  end
end
