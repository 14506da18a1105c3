defmodule Davit.Collector.Token do
  @moduledoc false
  # A token is a binary that a tensor carries and the collector holds too. Its content is never read: its reference count
  # tells whether a term of this VM still refers to the tensor.
  #
  # A token is longer than 64 bytes, because the VM does not count references to shorter binaries. Its size modulo 256 is
  # that of 65 + its number, so the tokens of one batch can be told apart by their sizes. The token of a large tensor is up
  # to 16 KiB longer: the VM collects the garbage of a process sooner the more bytes of binaries it refers to.

  @slots 256
  @most div(16 * 1024, @slots)

  @doc "Returns how many tokens with consecutive numbers have different sizes."
  @spec slots() :: pos_integer
  def slots, do: @slots

  @doc "Returns the token with the given number, for a tensor of `bytes`."
  @spec new(pos_integer, non_neg_integer) :: binary
  def new(number, bytes) do
    extra = @slots * min(div(bytes, @slots * @slots), @most)
    padding = 57 + rem(number, @slots) + extra
    <<number::64, 0::size(padding)-unit(8)>>
  end
end
