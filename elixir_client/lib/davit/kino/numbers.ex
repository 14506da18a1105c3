if Code.ensure_loaded?(Kino) do
  defmodule Davit.Kino.Numbers do
    @moduledoc false
    # The latest reading of each series, as text.

    @doc "A frame, and a function that shows readings in it."
    def new do
      frame = Kino.Frame.new()
      Kino.Frame.render(frame, Kino.Text.new("no value yet"))
      {frame, fn _, latest -> Kino.Frame.render(frame, text(latest)) end}
    end

    defp text(latest),
      do: latest |> Enum.sort() |> Enum.map_join("\n", &line(elem(&1, 1))) |> Kino.Text.new()

    @doc "A reading as a line."
    @spec line(Davit.Kino.Reading.t()) :: String.t()
    def line(%{series: series, number: number, summary: %{count: count} = summary}) do
      "#{series}: #{value(summary)}#{if count > 1, do: spread(summary)} (event #{number})"
    end

    # The mean of a scalar is over finite elements.
    defp value(%{count: 1, nan: 1}), do: "NaN"
    defp value(%{count: 1, inf: 1}), do: "infinite"
    defp value(%{mean: mean}), do: show(mean)

    defp spread(%{min: min, max: max} = summary) do
      odd =
        for {count, name} <- [{summary.nan, "NaN"}, {summary.inf, "infinite"}],
            count > 0,
            do: ", #{count} #{name}"

      " from #{show(min)} to #{show(max)} in #{summary.count}#{odd}"
    end

    # Five digits.
    defp show(number) when is_float(number),
      do: number |> :erlang.float_to_binary(scientific: 4) |> String.to_float() |> to_string()

    defp show(:nan), do: "NaN"
    defp show(number), do: to_string(number)
  end
end
