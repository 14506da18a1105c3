if Code.ensure_loaded?(Kino) do
  defmodule Davit.Kino do
    @moduledoc """
    Hooks in Livebook: the values of hooks and probes in a live chart, or as numbers, while programs run.

        Davit.Kino.hook("loss")
        Davit.Kino.hook({:probe, "dense_0.*"}, as: :numbers)

    What is shown is a summary of each value, which the engine computes: a scalar is its own mean. The engine also applies the policy,
    ten values a second if none is given. So a loop of a million iterations with a value of a million elements costs a notebook as much as any other.

    The subscription ends when its cell is evaluated again, or when the notebook ends.

    This module is compiled only if Kino is a dependency. Charts need `kino_vega_lite` as well.
    """

    alias Davit.Kino.{Chart, Numbers, Watcher}
    alias Davit.Options

    @doc """
    Returns a kino that shows the values of the hooks that match, from now on. It is shown where a cell returns it, or by `Kino.render/1`.

    `match` is what `Davit.Hooks.subscribe/2` takes: a name, `{:label, glob}`, `{:probe, glob}`, ... Hooks and nodes are shown apart; of those with the same name, the second one has `(2)` after it.

    Options:

      * `:as`: `:chart`, lines of the means above the number of the event, in a band from the least to the greatest element; or `:numbers`, the
        latest value of each hook. The default is `:chart`;
      * `:policy`: see `Davit.Hooks.SubscriptionSpec`, default `{:rate, 10}`;
      * `:engine`: the name of the engine;
      * `:title`: of a chart, default the match;
      * `:points`: how many points a chart keeps, default 500.

    Raises `ArgumentError` if the match or an option is invalid, and `Davit.EngineError` if the engine refuses the subscription.
    """
    @spec hook(Davit.Hooks.SubscriptionSpec.match(), keyword) ::
            Kino.JS.Live.t() | Kino.Frame.t()
    def hook(match, options \\ []) do
      Options.check!(options, [:as, :policy, :engine, :title, :points])
      as = Options.get!(options, :as, :chart, ":chart or :numbers", &(&1 in [:chart, :numbers]))
      {kino, show} = if as == :chart, do: Chart.new(match, options), else: Numbers.new()

      subscription =
        options
        |> Keyword.take([:policy, :engine])
        |> Keyword.put_new(:policy, {:rate, 10})
        |> Keyword.put(:view, :summary)

      case Kino.start_child({Watcher, {match, subscription, show}}) do
        {:ok, _} -> kino
        {:error, %{__exception__: true} = error} -> raise error
      end
    end
  end
end
