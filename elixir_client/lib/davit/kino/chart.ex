if Code.ensure_loaded?(Kino) do
  defmodule Davit.Kino.Chart do
    @moduledoc false
    # Readings as lines above the number of the event.

    @dataset "readings"

    if Code.ensure_loaded?(Kino.VegaLite) do
      alias Davit.Options
      alias VegaLite, as: Vl

      @doc "A chart, and a function that adds readings to it."
      def new(match, options) do
        title = Options.get!(options, :title, title(match), "a string", &is_binary/1)

        points =
          Options.get!(options, :points, 500, "a positive number", &(is_integer(&1) and &1 > 0))

        chart = title |> lines() |> Kino.VegaLite.new()

        {chart,
         fn readings, latest ->
           data = Enum.map(readings, &point/1)
           window = points * map_size(latest)
           Kino.VegaLite.push_many(chart, data, dataset: @dataset, window: window)
         end}
      end

      defp title(match) when is_binary(match), do: match
      defp title({_, glob}) when is_binary(glob), do: glob
      defp title(match), do: inspect(match)

      defp lines(title) do
        Vl.new(title: title, width: 600, height: 240)
        |> Vl.data(name: @dataset)
        |> Vl.encode_field(:x, "event", type: :quantitative, scale: [zero: false])
        |> Vl.encode_field(:color, "series", type: :nominal, title: nil)
        |> Vl.layers([
          Vl.new()
          |> Vl.mark(:area, opacity: 0.2)
          |> Vl.encode_field(:y, "min", type: :quantitative, title: nil, scale: [zero: false])
          |> Vl.encode_field(:y2, "max"),
          Vl.new()
          |> Vl.mark(:line)
          |> Vl.encode_field(:y, "mean", type: :quantitative, title: nil, scale: [zero: false])
        ])
      end

      defp point(%{series: series, number: number, summary: summary}) do
        %{
          series: series,
          event: number,
          mean: number(summary.mean),
          min: number(summary.min),
          max: number(summary.max)
        }
      end

      # JSON has no NaN. A chart has a gap there.
      defp number(number) when is_number(number), do: number
      defp number(_), do: nil
    else
      def new(_match, _options) do
        raise ArgumentError,
              "a chart takes kino_vega_lite: add {:kino_vega_lite, \"~> 0.1\"} to the dependencies, or use as: :numbers"
      end
    end
  end
end
