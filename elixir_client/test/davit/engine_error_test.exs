defmodule Davit.EngineErrorTest do
  use ExUnit.Case, async: true

  alias Davit.EngineError

  defp message(error), do: error |> EngineError.from_wire() |> Exception.message()

  @where %{
    "code" => "type_mismatched",
    "op" => "add",
    "label" => "encoder.add",
    "inputs" => [["float32", [2]], ["int8", []]],
    "expected" => "two tensors"
  }

  test "a message says where it happened" do
    assert message(Map.put(@where, "message", "no")) ==
             "no (op add; label \"encoder.add\"; inputs float32[2], int8[]; expected two tensors)"

    assert message(%{"code" => "internal", "message" => "no"}) == "no"
  end

  test "a message does not repeat itself" do
    said = ~s|no; expected two tensors [op add(float32[2], int8[]), label "encoder.add"]|
    assert message(Map.put(@where, "message", said)) == said
    said = "x.npy: it is none (expected two tensors)"
    wire = %{"code" => "file_malformed", "message" => said, "expected" => "two tensors"}
    assert message(wire) == said

    assert message(%{wire | "expected" => "three tensors"}) == said <> " (expected three tensors)"
  end
end
