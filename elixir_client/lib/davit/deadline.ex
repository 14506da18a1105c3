defmodule Davit.Deadline do
  @moduledoc false
  # The moment at which a timeout that covers several waits ends.

  @type t :: integer | :infinity

  @doc "Returns the deadline of a timeout that begins now."
  @spec new(timeout) :: t
  def new(:infinity), do: :infinity
  def new(timeout), do: now() + timeout

  @doc "Returns how many milliseconds are left, at least 0."
  @spec left(t) :: timeout
  def left(:infinity), do: :infinity
  def left(deadline), do: max(0, deadline - now())

  @doc "Returns the clock of deadlines: monotonic time in milliseconds."
  @spec now() :: integer
  def now, do: System.monotonic_time(:millisecond)
end
