defmodule Davit.EngineError do
  @moduledoc """
  An error of the engine, or of the connection to it.

  `code` is stable. The codes of the engine, such as `:out_of_memory`, are listed in docs/protocol.md; a code that this
  client does not know is a string. These codes come from the client:

  | code | meaning |
  |---|---|
  | `:engine_not_found` | no engine command was found |
  | `:engine_down` | the engine is not running; it will be started again |
  | `:engine_lost` | the engine ended during a call, or held a tensor's values when it ended |
  | `:timeout` | there was no answer in time, and the request was cancelled |
  | `:tensor_freed` | the tensor was freed |
  | `:transfer_broken` | the connection for large values ended during a transfer; the engine runs on |
  | `:bad_destination` | the destination of a hook is not the bytes of a process, see `Davit.Hooks.to/1` |
  | `:no_handler` | a callback has no handler among those of its run |
  | `:subscription_lost` | the process that forwards the events of a subscription was killed |
  | `:subscriber_down` | the subscriber is not alive |
  | `:remote_tensor` | the tensor belongs to another node or another engine |
  | `:protocol` | the engine sent a message that the protocol does not allow |

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
  @codes ~w(
    argument_invalid arity attribute_invalid attribute_missing attribute_unknown bad_frame bad_length
    bad_match bad_message bad_policy bad_view branches_missing bytes_mismatch call_unknown cancelled
    constant_invalid constant_missing custom_call_invalid device_unavailable dtype_unsupported engine_closed
    external_memory file_dtype file_malformed file_not_found file_truncated file_unreadable frame_too_large
    function_unknown graph_invalid hello_expected hello_twice hook_unknown input_count input_type internal label_invalid
    lane_failed limit_exceeded malformed_graph mlx no_handler not_allocated not_differentiable op_refused
    op_unknown out_of_memory output_count policy_invalid program_exists program_unknown protocol_version
    reader_too_slow recording_exists recording_unknown replay_missing reply_mismatch request_exists run_exists server_closed
    session_closed shape_invalid shape_mismatch state_lost tensor_exists tensor_freed tensor_pending
    tensor_unknown terminated timeout too_large too_many_programs too_many_queues too_many_requests
    too_many_subscriptions too_many_tensors transfer_broken transfer_exists truncated type_invalid
    type_mismatch types_differ unknown_message unknown_op unsupported_version value_invalid value_unknown
    view_invalid
  )a
  @names Map.new(@codes, &{Atom.to_string(&1), &1})

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
    %__MODULE__{code: :protocol, message: "the engine answered with #{inspect(other, limit: 5)}"}
  end

  defp code(code) when is_binary(code), do: Map.get(@names, code) || :binary.copy(code)
  defp code(_), do: :protocol

  defp text(text) when is_binary(text), do: :binary.copy(text)
  defp text(_), do: nil

  # An absent operand has no type.
  defp inputs(types) when is_list(types), do: Enum.flat_map(types, &Davit.Type.list_from_wire/1)
  defp inputs(_), do: nil
end
