defmodule Davit.Engine.Name do
  @moduledoc false
  # The names of engines. An engine's tables and processes are found by an atom, its key. An atom that names an engine is its
  # key itself; any other name gets one when an engine of this name is first started. A key is kept for as long as the VM
  # lives: programs and tensors hold it.

  @type t :: atom | {:global, term} | {:via, module, term}

  @doc "Tells whether a term can name an engine."
  @spec valid?(term) :: boolean
  def valid?(name) when is_atom(name), do: name != nil
  def valid?({:global, _}), do: true
  def valid?({:via, module, _}), do: is_atom(module)
  def valid?(_), do: false

  @doc "What a name may be, for errors."
  @spec expected() :: String.t()
  def expected, do: "an atom, {:global, term} or {:via, module, term}"

  @doc "Returns the key of a name, or nil where no engine of this name was ever started. No atom is made."
  @spec key(t) :: atom
  def key(name) when is_atom(name), do: name
  def key(name), do: :persistent_term.get({__MODULE__, name}, nil)

  @doc "As `key/1`, for a name that is being started: it gets a key where it has none."
  @spec make_key(t) :: atom
  def make_key(name), do: key(name) || put_key(name)

  # The same in every process that does this at the same time.
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

  @doc "Shows the engine of a key by its name."
  @spec show(atom) :: String.t()
  def show(key), do: key |> of() |> inspect()
end
