defmodule Davit.BulkReadsTest do
  use ExUnit.Case, async: true

  alias Davit.Engine.Bulk.Reads

  # A reader waits for request 1, which is transfer 7.
  defp asked, do: Reads.add(%Reads{}, :reader, 1)

  test "the answer and the bytes may come in any order" do
    {nil, reads} = Reads.answered(asked(), 1, 7)
    assert Reads.arrived(reads, 7, "x") == {:reader, %Reads{}}

    {nil, reads} = Reads.arrived(asked(), 7, "x")
    assert Reads.answered(reads, 1, 7) == {{:reader, "x"}, %Reads{}}
  end

  test "bytes of a reader that gave up are not kept, whenever it did" do
    # Before the answer.
    {1, reads} = Reads.give_up(asked(), :reader)
    assert Reads.readers(reads) == []
    {nil, early} = Reads.arrived(reads, 7, "x")
    assert Reads.answered(early, 1, 7) == {nil, %Reads{}}
    {nil, late} = Reads.answered(reads, 1, 7)
    assert Reads.arrived(late, 7, "x") == {nil, %Reads{}}
    assert Reads.failed(reads, 1) == {nil, %Reads{}}

    # Between the answer and the bytes.
    {nil, reads} = Reads.answered(asked(), 1, 7)
    {1, reads} = Reads.give_up(reads, :reader)
    assert Reads.arrived(reads, 7, "x") == {nil, %Reads{}}

    # After both, or twice.
    assert Reads.give_up(%Reads{}, :reader) == {nil, %Reads{}}
  end

  test "transfers that were lost with a connection are not waited for" do
    {nil, reads} = Reads.answered(asked(), 1, 7)
    {1, reads} = Reads.give_up(reads, :reader)
    {nil, reads} = reads |> Reads.add(:next, 2) |> Reads.answered(2, 8)
    assert Reads.arrived(reads, 8, "y") == {:next, %Reads{}}
  end

  test "an error ends a read" do
    assert Reads.failed(asked(), 1) == {:reader, %Reads{}}
    assert Reads.failed(%Reads{}, 1) == {nil, %Reads{}}
    assert Reads.answered(%Reads{}, 1, 7) == {nil, %Reads{}}
  end
end
