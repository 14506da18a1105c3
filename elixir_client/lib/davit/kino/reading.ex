if Code.ensure_loaded?(Kino) do
  defmodule Davit.Kino.Reading do
    @moduledoc false
    # What an event with the view `summary` says: one reading for each value.

    alias Davit.Hooks.{Event, Site}

    @enforce_keys [:series, :number, :summary]
    defstruct @enforce_keys

    @typedoc """
    `series`: the hook or node, and which of its values if it has several. `number`: which event of the hook it is, from 1; those that
    the policy left out count.
    """
    @type t :: %__MODULE__{series: String.t(), number: pos_integer, summary: Event.summary()}

    @typedoc "By name: the numbers of the sites that have it, each with its events so far, in the order of their first events."
    @type seen :: %{String.t() => [{non_neg_integer, pos_integer}]}

    @doc "The readings of an event, after the events that were seen before."
    @spec of(Event.t(), seen) :: {[t], seen}
    def of(%Event{site: site, values: values, dropped: dropped}, seen) do
      name = site.name || Site.title(site)
      sites = Map.get(seen, name, [])
      {_, before} = List.keyfind(sites, site.number, 0, {site.number, 0})
      number = before + dropped + 1
      sites = List.keystore(sites, site.number, 0, {site.number, number})
      # Other sites of the name are told apart by their order.
      place = Enum.find_index(sites, &(elem(&1, 0) == site.number)) + 1
      title = if place == 1, do: name, else: "#{name} (#{place})"

      readings =
        for {summary, index} <- Enum.with_index(values) do
          series = if match?([_], values), do: title, else: "#{title}[#{index}]"
          %__MODULE__{series: series, number: number, summary: summary}
        end

      {readings, Map.put(seen, name, sites)}
    end
  end
end
