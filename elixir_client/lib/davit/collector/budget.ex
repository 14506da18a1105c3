defmodule Davit.Collector.Budget do
  @moduledoc false
  # How much memory of one engine the tensors and programs of this VM stand for, and from how much on their garbage is to be
  # collected: twice what was alive at the last collection, but no more than half of the way to the engine's limit.
  # Whoever makes a tensor counts it here, without asking another process.

  @held 1
  @most 2
  @limit 3

  # What any tensor or program takes, beside its values, in the engine and in this VM.
  @overhead 512
  @least 16 * 1024 * 1024
  @unlimited 0x7FFF_FFFF_FFFF_FFFF

  @type t :: :atomics.atomics_ref()

  @doc "The budget of an engine that has just started; `limit` is how many bytes it can allocate, `nil` where it did not say."
  @spec new(pos_integer | nil) :: t
  def new(limit) do
    budget = :atomics.new(3, [])
    :atomics.put(budget, @limit, min(limit || @unlimited, @unlimited))
    set(budget, 0)
    budget
  end

  @doc "Counts what stands for `bytes`. Tells whether garbage is to be collected."
  @spec take(t, non_neg_integer) :: boolean
  def take(budget, bytes) do
    :atomics.add_get(budget, @held, bytes + @overhead) > :atomics.get(budget, @most)
  end

  @doc "Counts what is freed: so many things, which stood for `bytes` together."
  @spec give_back(t, non_neg_integer, non_neg_integer) :: :ok
  def give_back(budget, count, bytes), do: :atomics.sub(budget, @held, bytes + count * @overhead)

  @doc "Tells whether garbage is to be collected."
  @spec over?(t) :: boolean
  def over?(budget), do: held(budget) > :atomics.get(budget, @most)

  @doc "Tells whether more is alive than the last collection left."
  @spec grown?(t) :: boolean
  def grown?(budget), do: 2 * held(budget) > :atomics.get(budget, @most)

  @doc "What is counted now."
  @spec held(t) :: non_neg_integer
  def held(budget), do: :atomics.get(budget, @held)

  @doc "Sets the next collection, after one that left `alive` bytes."
  @spec set(t, non_neg_integer) :: :ok
  def set(budget, alive) do
    limit = :atomics.get(budget, @limit)
    # Near the limit collections must not become too many: they would not help.
    ahead = alive + max(div(limit - alive, 2), div(limit, 64))
    :atomics.put(budget, @most, min(max(2 * alive, @least), ahead))
  end
end
