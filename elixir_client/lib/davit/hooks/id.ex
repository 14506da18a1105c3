defmodule Davit.Hooks.Id do
  @moduledoc """
  The 16 bytes that identify a hook, a print or a callback in a graph. They are the same after a restart and in any process.

      iex> Davit.Hooks.Id.named("loss") == :crypto.hash(:md5, "name:loss")
      true

      iex> Davit.Hooks.Id.of(&String.upcase/1) == :crypto.hash(:md5, "mfa:Elixir.String.upcase/1")
      true
  """

  @type t :: <<_::128>>

  @doc "Returns the id of a name."
  @spec named(String.t()) :: t
  def named(name) when is_binary(name), do: :crypto.hash(:md5, ["name:", name])

  @doc """
  Returns the id of an external function, such as `&Mod.fun/1`. Any other function has no identity that outlives it, and
  the result is `nil`: such a function is bound to a slot for each run.
  """
  @spec of(fun) :: t | nil
  def of(function) when is_function(function) do
    info = Function.info(function)

    if info[:type] == :external do
      :crypto.hash(:md5, "mfa:#{info[:module]}.#{info[:name]}/#{info[:arity]}")
    end
  end

  @doc """
  Returns the id of a program's slot, for a function that has no id. Slots are counted from 0, in the order in which
  functions are given to hooks and callbacks.
  """
  @spec slot(non_neg_integer) :: t
  def slot(number) when is_integer(number) and number >= 0,
    do: :crypto.hash(:md5, "slot:#{number}")
end
