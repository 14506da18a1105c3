defmodule Davit.EngineError do
  @moduledoc """
  Something the engine, or the way to it, refused.

  `code` is stable. Those of the engine are strings of the protocol made atoms where this client knows
  them, such as `:shape_mismatch`; these come from the client:

  | code | meaning |
  |---|---|
  | `:engine_not_found` | no engine command was found |
  | `:engine_down` | the engine is not running; it will be started again |
  | `:engine_lost` | the engine died under a call, or with a tensor that lived in it |
  | `:timeout` | no answer in time; the run was cancelled |
  | `:tensor_freed` | the tensor was freed |
  | `:remote_tensor` | the tensor belongs to another node or another engine |
  | `:protocol` | the engine said something that the protocol does not have |

  `op`, `label`, `site`, `inputs` and `expected` say where in a graph it happened, where that is known.
  """

  @type t :: %__MODULE__{
          code: atom | String.t(),
          message: String.t(),
          op: String.t() | nil,
          label: String.t() | nil,
          site: non_neg_integer | nil,
          inputs: [Davit.Type.t()] | nil,
          expected: term
        }

  defexception [:code, :message, :op, :label, :site, :inputs, :expected]

  @impl true
  def message(%__MODULE__{message: message} = error) do
    where =
      [
        error.op && "op #{error.op}",
        error.label && "label #{inspect(error.label)}",
        error.inputs && "inputs #{Enum.map_join(error.inputs, ", ", &Davit.Type.format/1)}",
        error.expected && "expected #{describe(error.expected)}"
      ]
      |> Enum.filter(& &1)

    case where do
      [] -> message
      where -> "#{message} (#{Enum.join(where, "; ")})"
    end
  end

  defp describe(expected) when is_binary(expected), do: expected
  defp describe(expected), do: inspect(expected)

  @doc "Builds the error that an `error` answer of the engine describes."
  @spec from_wire(map) :: t
  def from_wire(error) when is_map(error) do
    %__MODULE__{
      code: code(error["code"]),
      message: text(error["message"]) || "the engine gave no message",
      op: text(error["op"]),
      label: text(error["label"]),
      site: error["site"],
      inputs: inputs(error["inputs"]),
      expected: error["expected"]
    }
  end

  def from_wire(other) do
    %__MODULE__{code: :protocol, message: "the engine answered with #{inspect(other, limit: 5)}"}
  end

  # Never an atom made from bytes that came over the wire.
  defp code(code) when is_binary(code) do
    String.to_existing_atom(code)
  rescue
    ArgumentError -> code
  end

  defp code(_), do: :protocol

  defp text(text) when is_binary(text), do: :binary.copy(text)
  defp text(_), do: nil

  defp inputs(types) when is_list(types), do: Enum.flat_map(types, &Davit.Type.list_from_wire/1)
  defp inputs(_), do: nil
end
