defmodule Davit.Engine.Backoff do
  @moduledoc false
  # The delays after which an engine that ended is started again.

  @delays [0, 100, 300, 1_000, 3_000, 10_000, 30_000]
  # An engine that was up for this many milliseconds starts the back-off from the beginning. An engine that answered anything
  # can run, and was probably ended by something that it was asked to do, so it has at most the second delay.
  @stable 10_000

  @doc """
  Returns the delay before the next start, in milliseconds, and the number of the attempt after that start.

  `served` says whether the engine answered anything, `up` for how many milliseconds it was up.

      iex> Davit.Engine.Backoff.next(3, true, 0)
      {100, 2}

      iex> Davit.Engine.Backoff.next(3, false, 0)
      {1_000, 4}
  """
  @spec next(non_neg_integer, boolean, non_neg_integer) :: {non_neg_integer, pos_integer}
  def next(attempt, served, up) do
    attempt =
      cond do
        up >= @stable -> 0
        served -> min(attempt, 1)
        true -> attempt
      end

    {Enum.at(@delays, min(attempt, length(@delays) - 1)), attempt + 1}
  end
end
