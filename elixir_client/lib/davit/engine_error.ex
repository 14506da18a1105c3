defmodule Davit.EngineError do
  alias Davit.Contract

  @client_errors Contract.errors()
                 |> Enum.filter(&(&1.room == :elixir))
                 |> Enum.map_join("\n", &"  | `#{inspect(&1.code)}` | #{&1.doc} |")
                 |> then(&"| code | meaning |\n  |---|---|\n#{&1}")

  @moduledoc """
  An error of the engine, or of the connection to it.

  `code` is stable. docs/errors.md lists the codes of the engine, such as `:memory_exhausted`; a code that this client does
  not know, as a handler's own, is a string. These codes come from the client:

  #{@client_errors}

  `op`, `label`, `site`, `inputs` and `expected` name the place in a graph and what was expected there, if they are known.
  """

  @type t :: %__MODULE__{
          code: atom | String.t(),
          message: String.t(),
          op: String.t() | nil,
          label: String.t() | nil,
          site: non_neg_integer | nil,
          inputs: [Davit.Type.t()] | nil,
          expected: term,
          run: pos_integer | nil
        }

  # Atoms are never created from bytes that came over the wire.
  @names Map.new(Contract.errors(), &{Atom.to_string(&1.code), &1.code})

  defexception [:code, :message, :op, :label, :site, :inputs, :expected, :run]

  @impl true
  def message(%__MODULE__{message: message} = error) do
    where =
      [
        {"op ", error.op},
        {"label ", error.label && inspect(error.label)},
        {"inputs ", error.inputs && Enum.map_join(error.inputs, ", ", &type/1)},
        {"expected ", error.expected && describe(error.expected)}
      ]
      |> Enum.reject(fn {kind, text} -> text == nil or said?(message, kind, text) end)
      |> Enum.map_join("; ", fn {kind, text} -> kind <> text end)

    if where == "", do: message, else: "#{message} (#{where})"
  end

  # The form that the engine uses in its messages.
  defp type({dtype, shape}), do: "#{dtype}[#{shape |> Tuple.to_list() |> Enum.join(", ")}]"

  # Most messages of the engine contain these parts: inputs as the operands of the op.
  defp said?(message, "inputs ", text), do: String.contains?(message, "(#{text})")
  defp said?(message, kind, text), do: String.contains?(message, kind <> text)

  defp describe(expected) when is_binary(expected), do: expected
  defp describe(expected), do: inspect(expected)

  @doc false
  # Returns the error that an `error` answer of the engine describes.
  @spec from_wire(map) :: t
  def from_wire(error) when is_map(error) do
    %__MODULE__{
      code: code(error["code"]),
      message: text(error["message"]) || "the engine gave no message",
      op: text(error["op"]),
      label: text(error["label"]),
      site: error["site"],
      inputs: inputs(error["inputs"]),
      expected: error["expected"],
      run: error["run"]
    }
  end

  def from_wire(other) do
    %__MODULE__{
      code: :protocol_violated,
      message: "the engine answered with #{Davit.Show.show(other)}"
    }
  end

  defp code(code) when is_binary(code), do: Map.get(@names, code) || :binary.copy(code)
  defp code(_), do: :protocol_violated

  defp text(text) when is_binary(text), do: :binary.copy(text)
  defp text(_), do: nil

  # An absent operand has no type.
  defp inputs(types) when is_list(types), do: Enum.flat_map(types, &Davit.Type.list_from_wire/1)
  defp inputs(_), do: nil
end
