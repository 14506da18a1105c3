defmodule Davit.Show do
  @moduledoc false
  # Terms in messages.

  @doc "A term as text, shortened: the first items of a collection, the first characters of a string."
  @spec show(term) :: String.t()
  def show(term), do: inspect(term, limit: 5, printable_limit: 80)
end
