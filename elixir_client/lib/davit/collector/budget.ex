defmodule Davit.Collector.Budget do
  @moduledoc false
  # Counts the engine memory that the tensors and programs of this VM take, and holds the threshold above which garbage is
  # collected: twice what was alive after the last collection, but no more than half of the way to the engine's limit.
  # The process that creates a tensor counts it here, without a call to another process.

  @held 1
  @most 2
  @limit 3

  # The bytes that any tensor or program takes beside its values, in the engine and in this VM.
  @overhead 512
  @least 16 * 1024 * 1024
  @unlimited 0x7FFF_FFFF_FFFF_FFFF

  @type t :: :atomics.atomics_ref()

  @doc "Returns the budget of an engine that has just started. `limit` is how many bytes it can allocate, nil if that is not known."
  @spec new(pos_integer | nil) :: t
  def new(limit) do
    budget = :atomics.new(3, [])
    :atomics.put(budget, @limit, min(limit || @unlimited, @unlimited))
    set(budget, 0)
    budget
  end

  @doc "Counts a tensor or program of `bytes`. Returns whether garbage has to be collected."
  @spec take(t, non_neg_integer) :: boolean
  def take(budget, bytes) do
    :atomics.add_get(budget, @held, bytes + @overhead) > :atomics.get(budget, @most)
  end

  @doc "Counts `count` tensors and programs, of `bytes` together, as freed."
  @spec give_back(t, non_neg_integer, non_neg_integer) :: :ok
  def give_back(budget, count, bytes), do: :atomics.sub(budget, @held, bytes + count * @overhead)

  @doc "Returns whether garbage has to be collected."
  @spec over?(t) :: boolean
  def over?(budget), do: held(budget) > :atomics.get(budget, @most)

  @doc "Returns whether more is alive than after the last collection."
  @spec grown?(t) :: boolean
  def grown?(budget), do: 2 * held(budget) > :atomics.get(budget, @most)

  @doc "Returns the bytes that are counted now."
  @spec held(t) :: non_neg_integer
  def held(budget), do: :atomics.get(budget, @held)

  @doc "Sets the threshold for the next collection, after one that left `alive` bytes."
  @spec set(t, non_neg_integer) :: :ok
  def set(budget, alive) do
    limit = :atomics.get(budget, @limit)
    # Near the limit, frequent collections would cost much and free little.
    ahead = alive + max(div(limit - alive, 2), div(limit, 64))
    :atomics.put(budget, @most, min(max(2 * alive, @least), ahead))
  end
end
