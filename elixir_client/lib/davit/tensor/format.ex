defmodule Davit.Tensor.Format do
  @moduledoc false
  # Formats the values of a tensor as nested lists, shortened after a number of elements.

  import Inspect.Algebra

  alias Davit.Tensor.Elements
  alias Davit.Type

  @doc """
  Returns the values as an algebra document. `limit` of the options counts elements over all dimensions.
  `custom_options[:precision]` is the number of significant digits of a float.
  """
  @spec values(binary, Type.t(), Inspect.Opts.t()) :: Inspect.Algebra.t()
  def values(bytes, {dtype, shape}, options) do
    total = Type.elements(shape)
    count = if options.limit == :infinity, do: total, else: min(options.limit, total)
    shown = binary_part(bytes, 0, count * Type.item_bytes(dtype))
    precision = options.custom_options[:precision]
    texts = for x <- Elements.decode(shown, {dtype, {count}}), do: text(x, precision)

    case Tuple.to_list(shape) do
      _ when total == 0 -> "[]"
      [] -> List.first(texts, "...")
      sizes -> texts |> block(sizes, options) |> elem(0)
    end
  end

  # Formats one block of the elements that are left, and returns the rest of them.
  defp block([text | texts], [], _options), do: {text, texts}

  defp block(texts, [size | sizes], options) do
    {items, texts} = items(size, texts, sizes, options, [])
    break = if sizes == [], do: :flex, else: :strict
    options = %{options | limit: :infinity}
    {container_doc("[", items, "]", options, fn item, _ -> item end, break: break), texts}
  end

  defp items(0, texts, _, _, items), do: {Enum.reverse(items), texts}
  defp items(_, [], _, _, items), do: {Enum.reverse(["..." | items]), []}

  defp items(size, texts, sizes, options, items) do
    {item, texts} = block(texts, sizes, options)
    items(size - 1, texts, sizes, options, [item | items])
  end

  defp text(:nan, _), do: "NaN"
  defp text(:infinity, _), do: "Inf"
  defp text(:neg_infinity, _), do: "-Inf"
  defp text({re, im}, precision), do: text(re, precision) <> plus(text(im, precision)) <> "i"

  defp text(x, precision) when is_float(x) and is_integer(precision) do
    digits = precision |> max(1) |> min(17)
    {rounded, ""} = x |> :erlang.float_to_binary([{:scientific, digits - 1}]) |> Float.parse()
    to_string(rounded)
  end

  defp text(x, _), do: to_string(x)

  defp plus("-" <> _ = text), do: text
  defp plus(text), do: "+" <> text
end
