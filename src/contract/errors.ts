/** Who raises an error. */
export const ERROR_ROOMS = {
  session: "The end of a session",
  message: "Messages of the protocol",
  run: "Runs, and tensors in the engine",
  graph: "Graphs",
  trace: "Functions that are traced, in Node",
  hook: "Subscriptions and handlers",
  file: "Files",
  model: "Models",
  node: "The engine in Node, and the command `davit`",
  elixir: "The Elixir client itself",
} as const;

/** One code: where it is raised, and what it says. */
export interface ErrorRow {
  readonly room: keyof typeof ERROR_ROOMS;
  readonly doc: string;
}

/**
 * Every code of an error. A code is stable, the text beside it is not. It is a noun and what is the matter with it; `cancelled`, `timeout`
 * and `internal` say it of the whole request.
 */
export const ERRORS = {
  engine_terminated: { room: "session", doc: "The engine was told to end." },
  frame_invalid: { room: "session", doc: "A frame, or its header, does not parse." },
  frame_too_large: { room: "session", doc: "A frame is longer than `max_frame_bytes`." },
  frame_truncated: { room: "session", doc: "The connection ended inside a frame." },
  hello_missing: { room: "session", doc: "The first message is not `hello`." },
  protocol_unsupported: {
    room: "session",
    doc: "The client speaks another version of the protocol.",
  },
  reader_too_slow: { room: "session", doc: "More answers are unread than `unread_bytes`." },
  request_limit_exceeded: {
    room: "session",
    doc: "More requests are open than `requests`, or more messages wait than `held_bytes`.",
  },
  server_closed: { room: "session", doc: "The server that the session was with was closed." },

  callback_unknown: {
    room: "message",
    doc: "No callback of the run with this number waits for a reply.",
  },
  generation_taken: { room: "message", doc: "The id of a generation is in use." },
  generation_unknown: {
    room: "message",
    doc: "There is no generation with this id, or it is over.",
  },
  hello_repeated: { room: "message", doc: "The session has begun already." },
  length_invalid: { room: "message", doc: "Bytes are not as many as the tensor's type says." },
  message_invalid: { room: "message", doc: "A message has wrong arguments." },
  message_unknown: { room: "message", doc: "There is no message of this type." },
  model_taken: { room: "message", doc: "The id of a model is in use for another one." },
  model_unknown: {
    room: "message",
    doc: "There is no model with this id, or it is not open yet.",
  },
  program_limit_exceeded: {
    room: "message",
    doc: "The session has as many programs as `programs`.",
  },
  program_taken: { room: "message", doc: "The id of a program is in use." },
  program_unkept: { room: "message", doc: "The store has no program of this name." },
  program_unknown: { room: "message", doc: "There is no program with this id." },
  queue_limit_exceeded: { room: "message", doc: "The session has as many queues as `queues`." },
  recording_taken: { room: "message", doc: "The id of a recording or a replay is in use." },
  recording_unknown: { room: "message", doc: "There is no recording or replay with this id." },
  request_taken: { room: "message", doc: "A request with this number is open." },
  session_closed: {
    room: "message",
    doc: "The session ended before the bytes of a transfer had come.",
  },
  snapshot_taken: { room: "message", doc: "The id of a snapshot is in use." },
  snapshot_unknown: { room: "message", doc: "There is no snapshot with this id." },
  subscription_limit_exceeded: {
    room: "message",
    doc: "The session has as many subscriptions as `subscriptions`.",
  },
  tensor_limit_exceeded: {
    room: "message",
    doc: "The session has as many tensors as `tensors`, or would have more bytes than `tensor_bytes`.",
  },
  tensor_taken: { room: "message", doc: "The id of a tensor is in use." },
  transfer_broken: {
    room: "message",
    doc: "The connection of a transfer ended before its bytes had come.",
  },
  transfer_taken: { room: "message", doc: "The number of a transfer was used before." },

  cancelled: { room: "run", doc: "The request was given up." },
  device_unavailable: { room: "run", doc: "The machine has no such device." },
  input_count_invalid: { room: "run", doc: "A run has another number of inputs than its program." },
  input_type_invalid: {
    room: "run",
    doc: "An input of a run has another type than the program's.",
  },
  internal: { room: "run", doc: "A fault of Davit's own." },
  lane_failed: { room: "run", doc: "A lane cannot begin." },
  memory_exhausted: {
    room: "run",
    doc: "The memory that the engine may use is taken, or the system has none left.",
  },
  memory_external: {
    room: "run",
    doc: "The runtime, such as Electron, allows no array buffers in memory of others.",
  },
  export_unsupported: {
    room: "run",
    doc: "A node cannot be written to a .mlxfn file: control flow, a callback, or a primitive that MLX does not write.",
  },
  mlx_failed: { room: "run", doc: "MLX failed while it computed." },
  output_count_invalid: {
    room: "run",
    doc: "A node, or a run, names another number of outputs than there are.",
  },
  run_taken: { room: "run", doc: "The id of a run is in use." },
  tensor_freed: { room: "run", doc: "The tensor was freed." },
  tensor_pending: { room: "run", doc: "The tensor is not computed yet." },
  tensor_shared: {
    room: "run",
    doc: "A tensor is to be written to, and others have its memory.",
  },
  tensor_unallocated: { room: "run", doc: "A tensor that is to be filled has no memory." },
  tensor_unknown: { room: "run", doc: "There is no tensor with this id." },
  timeout: { room: "run", doc: "A request took longer than it may." },

  arity_invalid: { room: "graph", doc: "An op has another number of operands than it takes." },
  attribute_invalid: { room: "graph", doc: "An attribute has a value that its op does not take." },
  attribute_missing: { room: "graph", doc: "An attribute that an op needs is absent." },
  attribute_unknown: { room: "graph", doc: "An op has no attribute of this name." },
  axis_invalid: { room: "graph", doc: "An axis is not one of the tensor's, or is named twice." },
  constant_invalid: {
    room: "graph",
    doc: "The tensor, or the bytes, of a constant are of another type.",
  },
  constant_missing: { room: "graph", doc: "No tensor was given for a `constant_by_hash`." },
  custom_call_invalid: { room: "graph", doc: "A custom call is not as its row says." },
  derivative_unsupported: {
    room: "graph",
    doc: "There is no derivative of this: control flow, a callback, an op without one.",
  },
  dtype_unsupported: { room: "graph", doc: "MLX cannot do the op on this dtype." },
  external_invalid: { room: "graph", doc: "The tensor bound to an external is of another type." },
  external_missing: { room: "graph", doc: "No tensor was bound to an external." },
  function_recursive: { room: "graph", doc: "A function refers to itself, or to an earlier one." },
  function_unknown: { room: "graph", doc: "There is no function with this number." },
  graph_invalid: {
    room: "graph",
    doc: "The bytes are no canonical graph, or the graph contradicts itself.",
  },
  limit_exceeded: { room: "graph", doc: "A graph is larger than a limit, which the error names." },
  op_refused: { room: "graph", doc: "MLX refuses the op on these operands." },
  op_unknown: { room: "graph", doc: "There is no op of this name." },
  shape_invalid: { room: "graph", doc: "A shape is not one that the op takes." },
  type_invalid: { room: "graph", doc: "This is not the type of a tensor, or of a branch." },
  type_mismatched: { room: "graph", doc: "Two types that have to be the same are not." },
  value_too_large: {
    room: "graph",
    doc: "A value has more elements or bytes than MLX counts, than a limit allows, or than a frame holds.",
  },
  value_unknown: {
    room: "graph",
    doc: "A node or a result refers to a value that is not before it.",
  },
  version_unsupported: {
    room: "graph",
    doc: "A graph or a file has a version that this build does not read.",
  },

  argument_invalid: { room: "trace", doc: "An argument is none that the function takes." },
  branches_missing: { room: "trace", doc: "`mx.switch` has no branches." },
  function_async: {
    room: "trace",
    doc: "A function that is traced, or fills a tensor, returned a promise.",
  },
  function_disposed: { room: "trace", doc: "The function was disposed of." },
  jit_nested: { room: "trace", doc: "A jitted function was called while another is traced." },
  label_invalid: { room: "trace", doc: "A label is not text." },
  operand_invalid: { room: "trace", doc: "An operand is nothing that a tensor can be made of." },
  trace_missing: { room: "trace", doc: "A function of `mx` was called outside a traced function." },
  value_escaped: {
    room: "trace",
    doc: "A traced value is used outside the function that made it.",
  },
  value_invalid: { room: "trace", doc: "A number or a list is no value of the dtype." },
  value_size_invalid: { room: "trace", doc: "A value has not as many elements as its type." },

  handler_invalid: { room: "hook", doc: "A handler is no function." },
  handler_missing: { room: "hook", doc: "A callback has no handler." },
  hook_unknown: {
    room: "hook",
    doc: "A run's hooks name one that the program does not have. The error lists those it has.",
  },
  match_invalid: { room: "hook", doc: "A match is none of those that there are." },
  policy_invalid: { room: "hook", doc: "A policy is none of those that there are." },
  reply_invalid: {
    room: "hook",
    doc: "The reply of a callback has other types, or another number of values, than declared.",
  },
  replay_missing: { room: "hook", doc: "A replay has no reply for a callback." },
  view_invalid: { room: "hook", doc: "A view is none of those that there are." },

  file_dtype_unsupported: {
    room: "file",
    doc: "A file holds elements of a type that MLX does not have.",
  },
  file_malformed: { room: "file", doc: "A file is not what its name says, or contradicts itself." },
  file_missing: { room: "file", doc: "There is no such file, or no such tensor in it." },
  file_name_unknown: { room: "file", doc: "The name of a file tells no format that Davit reads." },
  file_primitive_unsupported: {
    room: "file",
    doc: "A .mlxfn file has a primitive that no op of Davit stands for.",
  },
  file_too_large: { room: "file", doc: "A file is, or announces, more than the limit." },
  file_truncated: { room: "file", doc: "A file ends before what it announces." },
  file_type_invalid: { room: "file", doc: "A file holds a tensor of another type than wanted." },
  file_unreadable: {
    room: "file",
    doc: "The system refuses to read or write a file, or it is no regular file: a pipe, a device, a socket, a folder.",
  },

  chat_unsupported: {
    room: "model",
    doc: "A model has no chat template, or its template refuses the messages.",
  },
  model_invalid: {
    room: "model",
    doc: "A folder is no model, or a file of it does not say what it should.",
  },
  model_unsupported: {
    room: "model",
    doc: "A model has an architecture, or a part, that Davit does not compute.",
  },
  module_immutable: { room: "model", doc: "A materialized module was to be changed." },
  module_invalid: {
    room: "model",
    doc: "A module has no parameter of this name, or one of another type.",
  },
  pooling_invalid: { room: "model", doc: "A pooling is none of those that there are." },
  prompt_invalid: {
    room: "model",
    doc: "A prompt has no tokens, or one that the model does not have.",
  },
  snapshot_foreign: { room: "model", doc: "A snapshot is of another model than the generation." },
  text_too_long: { room: "model", doc: "A text has more tokens than the model takes." },
  tokenizer_unsupported: {
    room: "model",
    doc: "A tokenizer is of a kind that Davit does not have.",
  },
  weights_invalid: {
    room: "model",
    doc: "Weights are missing, unknown to the model, or of another shape or dtype. The error lists all of them.",
  },

  engine_closed: { room: "node", doc: "The engine, or the connection to it, was closed." },
  engine_lost: { room: "node", doc: "The engine ended, and what lived in it." },
  engine_unknown: { room: "node", doc: "There is no engine with this pid, or there are several." },
  engine_unreachable: { room: "node", doc: "No engine answers on this socket." },
  option_invalid: {
    room: "node",
    doc: "An option of the engine has a value that it does not take.",
  },
  runtime_folder_invalid: { room: "node", doc: "The folder for sockets is not the user's alone." },
  socket_invalid: { room: "node", doc: "The path of a socket cannot be listened on." },
  socket_taken: { room: "node", doc: "An engine listens on the socket already." },
  state_changed: {
    room: "node",
    doc: "A step returned a state of another form, or `copyIn` was given one.",
  },
  state_lost: {
    room: "node",
    doc: "A run that computed in the memory of a state failed, or the state was disposed of.",
  },
  state_nested: { room: "node", doc: "A state was asked for while it was held." },
  state_released: { room: "node", doc: "A state was used after its turn." },
  tensor_foreign: { room: "node", doc: "The tensor belongs to another engine." },
  tolerance_invalid: { room: "node", doc: "A tolerance is no number of 0 or more." },

  destination_invalid: {
    room: "elixir",
    doc: "The bytes that say who gets a hook's values are no process.",
  },
  engine_down: { room: "elixir", doc: "The engine is not running. It will be started again." },
  engine_missing: { room: "elixir", doc: "No engine command was found." },
  program_foreign: {
    room: "elixir",
    doc: "The program belongs to another node or another engine.",
  },
  protocol_violated: {
    room: "elixir",
    doc: "The engine said something that the protocol does not have.",
  },
  subscriber_down: { room: "elixir", doc: "The process that was to get events is not alive." },
  subscription_lost: {
    room: "elixir",
    doc: "The client's process of a subscription ended, and the subscription with it.",
  },
} as const satisfies Readonly<Record<string, ErrorRow>>;

/** The code of an error that Davit raises. */
export type ErrorCode = keyof typeof ERRORS;

/** The codes of one room. */
export type ErrorCodeOf<Room extends ErrorRow["room"]> = {
  [Code in ErrorCode]: (typeof ERRORS)[Code]["room"] extends Room ? Code : never;
}[ErrorCode];
