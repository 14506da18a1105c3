defmodule Davit.Engine.Name do
  @moduledoc false
  # The names of engines. An engine's tables and processes are found by an atom, the engine's key. A name that is an atom is
  # its own key. Any other name gets a key when an engine with this name is first started. A key is kept as long as the VM
  # lives, because programs and tensors refer to it.

  @type t :: atom | {:global, term} | {:via, module, term}

  @doc "Returns whether a term can name an engine."
  @spec valid?(term) :: boolean
  def valid?(name) when is_atom(name), do: name != nil
  def valid?({:global, _}), do: true
  def valid?({:via, module, _}), do: is_atom(module)
  def valid?(_), do: false

  @doc "Returns the text for errors that describes what a name may be."
  @spec expected() :: String.t()
  def expected, do: "an atom, {:global, term} or {:via, module, term}"

  @doc "Returns the key of a name, or nil if no engine with this name was ever started. It creates no atom."
  @spec key(t) :: atom
  def key(name) when is_atom(name), do: name
  def key(name), do: :persistent_term.get({__MODULE__, name}, nil)

  @doc "Returns the key of a name, and creates one if the name has none."
  @spec make_key(t) :: atom
  def make_key(name), do: key(name) || put_key(name)

  # The key follows from the name, so processes that do this at the same time create the same key.
  defp put_key(name) do
    digest = :crypto.hash(:md5, :erlang.term_to_binary(name))
    key = Module.concat(Davit.Engine, "N" <> Base.encode16(digest))
    :persistent_term.put({__MODULE__, :name, key}, name)
    :persistent_term.put({__MODULE__, name}, key)
    key
  end

  @doc "Returns the name that a key stands for."
  @spec of(atom) :: t
  def of(key), do: :persistent_term.get({__MODULE__, :name, key}, key)

  @doc "Returns the text that stands for an engine in messages: its name."
  @spec show(atom) :: String.t()
  def show(key), do: key |> of() |> inspect()
end
