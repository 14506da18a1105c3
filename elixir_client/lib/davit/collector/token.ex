defmodule Davit.Collector.Token do
  @moduledoc false
  # A token is a binary that a tensor carries and the collector holds too. Nobody reads it: its reference
  # count tells whether a term of this VM still refers to the tensor.
  #
  # It is over 64 bytes long, so that it is counted at all. Its size modulo 256 is that of 65 + its number, which
  # tells tokens of one batch apart where only sizes are known. The token of a large tensor is longer, up to
  # 16 KiB more: the VM collects a process sooner the more bytes of binaries it refers to.

  @slots 256
  @most div(16 * 1024, @slots)

  @doc "How many tokens with numbers in a row have different sizes."
  @spec slots() :: pos_integer
  def slots, do: @slots

  @doc "The token of a number, which stands for `bytes` of engine memory."
  @spec new(pos_integer, non_neg_integer) :: binary
  def new(number, bytes) do
    extra = @slots * min(div(bytes, @slots * @slots), @most)
    padding = 57 + rem(number, @slots) + extra
    <<number::64, 0::size(padding)-unit(8)>>
  end
end
