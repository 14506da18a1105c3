defmodule Davit.Deadline do
  @moduledoc false
  # The end of a timeout that covers several waits.

  @type t :: integer | :infinity

  @doc "The moment at which a timeout that begins now is over."
  @spec new(timeout) :: t
  def new(:infinity), do: :infinity
  def new(timeout), do: now() + timeout

  @doc "How many milliseconds are left, at least 0."
  @spec left(t) :: timeout
  def left(:infinity), do: :infinity
  def left(deadline), do: max(0, deadline - now())

  @doc "Returns the clock of deadlines: monotonic time in milliseconds."
  @spec now() :: integer
  def now, do: System.monotonic_time(:millisecond)
end
