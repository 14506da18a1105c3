defmodule Davit.Options do
  @moduledoc false
  # Checks the options of public functions. An error names the option that is misspelt or has a wrong value.

  @doc "Raises `ArgumentError` if `options` is not a keyword list, or has other keys than these."
  @spec check!(keyword, [atom]) :: :ok
  def check!(options, keys) do
    Keyword.keyword?(options) ||
      raise ArgumentError, "expected a keyword list of options, got #{Davit.Show.show(options)}"

    case Enum.reject(options, fn {key, _} -> key in keys end) do
      [] ->
        :ok

      [{key, value} | _] ->
        raise ArgumentError,
              "unknown option #{inspect(key)} (#{Davit.Show.show(value)}), expected " <>
                Enum.map_join(keys, ", ", &inspect/1)
    end
  end

  @doc "Returns the value of an option, or the default. Raises `ArgumentError` if `valid?` returns false for it."
  @spec get!(keyword, atom, term, String.t(), (term -> boolean)) :: term
  def get!(options, key, default, expected, valid?) do
    case Keyword.fetch(options, key) do
      :error ->
        default

      {:ok, value} ->
        valid?.(value) ||
          raise ArgumentError,
                "expected #{inspect(key)} to be #{expected}, got #{Davit.Show.show(value)}"

        value
    end
  end
end
