defmodule Davit.Nx.Generations do
  @moduledoc false
  # Tables that forget what is not used. An entry is young when it is put. When the young generation is full, it becomes the old
  # one, and the entries that were old are forgotten. An old entry that is found becomes young again.
  #
  # A table belongs to the process that is registered under its name. It calls `age/1` when it is asked to by `:age`.

  @typedoc "A tuple: the key, then any values."
  @type entry :: tuple

  @doc "Creates a table for the calling process. A generation has at most `most` entries."
  @spec create(atom, pos_integer) :: :ok
  def create(table, most) do
    :ets.new(table, [:named_table, :public, read_concurrency: true])
    :ets.insert(table, {:room, most, most})
    :ok
  end

  @doc """
  The value of a young entry, or nil. The other values of the entry are not copied, and an old entry is not looked for.
  """
  @spec young_value(atom, term) :: term
  def young_value(table, key) do
    :ets.lookup_element(table, {:young, key}, 2)
  rescue
    ArgumentError -> nil
  end

  @doc "The entry of a key, or nil."
  @spec find(atom, term) :: entry | nil
  def find(table, key) do
    case :ets.lookup(table, {:young, key}) do
      [entry] -> put_elem(entry, 0, key)
      [] -> rejuvenate(table, key)
    end
  end

  defp rejuvenate(table, key) do
    case :ets.lookup(table, {:old, key}) do
      [entry] -> entry |> put_elem(0, key) |> tap(&put(table, &1))
      [] -> nil
    end
  end

  @doc "Puts an entry in the place of the one that has its key, if there is one."
  @spec put(atom, entry) :: :ok
  def put(table, entry) do
    :ets.insert(table, put_elem(entry, 0, {:young, elem(entry, 0)}))
    if :ets.update_counter(table, :room, {2, -1}) <= 0, do: GenServer.call(table, :age)
    :ok
  end

  @doc "Forgets the entry of a key."
  @spec delete(atom, term) :: :ok
  def delete(table, key) do
    for generation <- [:young, :old], do: :ets.delete(table, {generation, key})
    :ok
  end

  @doc "Makes the young generation the old one if it is full. Several processes may have asked for that."
  @spec age(atom) :: :ok
  def age(table) do
    if :ets.lookup_element(table, :room, 2) <= 0 do
      :ets.select_delete(table, matching(:old, true))
      young = :ets.select(table, matching(:young, :"$1"))
      :ets.insert(table, Enum.map(young, &put_elem(&1, 0, {:old, elem(elem(&1, 0), 1)})))
      :ets.select_delete(table, matching(:young, true))
      :ets.update_element(table, :room, {2, :ets.lookup_element(table, :room, 3)})
    end

    :ok
  end

  # Entries of a generation, however many values they have.
  defp matching(generation, result),
    do: [{:"$1", [{:==, {:element, 1, {:element, 1, :"$1"}}, generation}], [result]}]
end
