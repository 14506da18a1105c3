defmodule Davit.Options do
  @moduledoc false
  # Options of public functions, checked: what is misspelt or of another kind is named.

  @doc "Raises `ArgumentError` where `options` is no keyword list, or has other keys than these."
  @spec check!(keyword, [atom]) :: :ok
  def check!(options, keys) do
    Keyword.keyword?(options) ||
      raise ArgumentError, "expected a keyword list of options, got #{inspect(options, limit: 5)}"

    case Enum.reject(options, fn {key, _} -> key in keys end) do
      [] ->
        :ok

      [{key, value} | _] ->
        raise ArgumentError,
              "unknown option #{inspect(key)} (#{inspect(value, limit: 5)}), expected " <>
                Enum.map_join(keys, ", ", &inspect/1)
    end
  end

  @doc "The value of an option, or the default. Raises `ArgumentError` where it is not as `valid?` wants it."
  @spec get!(keyword, atom, term, String.t(), (term -> boolean)) :: term
  def get!(options, key, default, expected, valid?) do
    case Keyword.fetch(options, key) do
      :error ->
        default

      {:ok, value} ->
        valid?.(value) ||
          raise ArgumentError,
                "expected #{inspect(key)} to be #{expected}, got #{inspect(value, limit: 5)}"

        value
    end
  end
end
