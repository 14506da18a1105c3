defmodule Davit.Hooks.SubscriptionSpec do
  @moduledoc """
  The three parts of a subscription: which hooks it matches, how often they fire for it, and which part of a value is sent.

  A *match* is one of

    * a name, or `{:name, name}`: the hooks with this name;
    * `{:id, id}`: the hooks with this id;
    * `{:label, glob}`: the hooks whose label matches;
    * `:all`: all hooks;
    * `{:probe, glob}`: all nodes whose label matches, hooks or not;
    * `&Mod.fun/1`: the hooks that were built with this function.

  A *policy* is one of

    * `:every`: every event; the run waits for subscribers that read slowly;
    * `:latest`: the latest event when the subscriber is ready for one;
    * `{:sample, n}`: every `n`th event;
    * `{:rate, hz}`: at most `hz` events per second.

  A *view* is `:full`, `{:slice, starts, sizes}`, `{:summary, bins}` for statistics with a histogram, or `:summary` for
  statistics without one.
  """

  alias Davit.Hooks.Id

  @type match ::
          String.t()
          | {:name | :label | :probe, String.t()}
          | {:id, Id.t()}
          | :all
          | (... -> any)
  @type policy :: :every | :latest | {:sample, pos_integer} | {:rate, number}
  @type view ::
          :full
          | {:slice, [non_neg_integer], [non_neg_integer]}
          | :summary
          | {:summary, non_neg_integer}

  @doc false
  # Returns the parts as the protocol has them. Options: `:policy`, `:view`. Raises `ArgumentError`.
  @spec to_wire(match, keyword) :: list
  def to_wire(match, options) do
    [
      match(match),
      policy(Keyword.get(options, :policy, :every)),
      view(Keyword.get(options, :view, :full))
    ]
  end

  defp match(name) when is_binary(name), do: ["name", name]
  defp match({:name, name}) when is_binary(name), do: ["name", name]
  defp match({:label, glob}) when is_binary(glob), do: ["label", glob]
  defp match({:probe, glob}) when is_binary(glob), do: ["probe", glob]
  defp match({:id, <<id::binary-16>>}), do: ["id", {:bin, id}]
  defp match(:all), do: ["all"]

  defp match(function) when is_function(function) do
    id = Id.of(function)
    id || raise ArgumentError, "only functions like &Mod.fun/1 have an id, got #{inspect(function)}"
    ["id", {:bin, id}]
  end

  defp match(other) do
    raise ArgumentError,
          "expected a name, {:name, name}, {:id, 16 bytes}, {:label, glob}, {:probe, glob}, :all or " <>
            "&Mod.fun/arity as a match, got #{inspect(other)}"
  end

  @policies Davit.Contract.policies()

  defp policy(policy)
       when is_map_key(@policies, policy) and :erlang.map_get(policy, @policies) == nil,
       do: Atom.to_string(policy)

  defp policy({policy, argument} = given) when is_map_key(@policies, policy) do
    if within?(argument, @policies[policy]),
      do: [Atom.to_string(policy), argument],
      else: refuse_policy(given)
  end

  defp policy(other), do: refuse_policy(other)

  defp within?(_, nil), do: false
  defp within?(number, %{kind: :integer}) when not is_integer(number), do: false
  defp within?(number, _) when not is_number(number), do: false
  defp within?(number, %{open: true} = range), do: number > range.least and number <= range.most
  defp within?(number, range), do: number >= range.least and number <= range.most

  defp refuse_policy(other) do
    raise ArgumentError,
          "expected :every, :latest, {:sample, n} or {:rate, hz} as a policy, got #{inspect(other)}"
  end

  defp view(:full), do: "full"
  defp view(:summary), do: ["summary", 0]
  defp view({:summary, bins}) when is_integer(bins) and bins >= 0, do: ["summary", bins]

  defp view({:slice, starts, sizes}) when is_list(starts) and is_list(sizes),
    do: ["slice", starts, sizes]

  defp view(other) do
    raise ArgumentError,
          "expected :full, {:slice, starts, sizes}, :summary or {:summary, bins} as a view, " <>
            "got #{inspect(other)}"
  end

  @doc false
  # Returns the views that `Davit.Hooks.Event.decode/4` needs: the slices, by the position of their specs.
  @spec slices([list]) :: map
  def slices(specs) do
    for {[_, _, ["slice" | _] = view], index} <- Enum.with_index(specs),
        into: %{},
        do: {index, view}
  end
end
