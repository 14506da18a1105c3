/** What an argument of a client's message is. `?` at the end: it may be left out, or be nil. */
export type FieldKind =
  | "id"
  | "ids"
  | "count"
  | "text"
  | "reason?"
  | "hello"
  | "constants?"
  | "externals?"
  | "type"
  | "source"
  | "file_tensors"
  | "inputs"
  | "values"
  | "outputs"
  | "run_options?"
  | "runs"
  | "parent?"
  | "get_options?"
  | "match"
  | "matches"
  | "policy?"
  | "view?"
  | "events?"
  | "pooling?"
  | "output"
  | "texts"
  | "flag?"
  | "folder?"
  | "prompt"
  | "generate_options?"
  | "exported"
  | "sizes?";

/** One argument of a message. */
export interface FieldRow {
  readonly kind: FieldKind;
  readonly doc: string;
}

/** A message of a client. */
export interface ClientMessageRow {
  /** In order. */
  readonly arguments: Readonly<Record<string, FieldRow>>;
  /** What the first attachment holds, where the message always has one. */
  readonly attachment?: string;
  readonly doc: string;
  /** The result of its answer; without one it is answered only where it is wrong. */
  readonly result?: string;
}

const OPERANDS = 'each a tensor id or `["inline", type, attachment]`';

/** The messages of a client, by their types. */
export const CLIENT_MESSAGES = {
  hello: {
    arguments: {
      hello: {
        kind: "hello",
        doc: "`{protocol: 1, client, limits?}`. `limits` may hold `hook_credit`, to have less than the engine's.",
      },
    },
    doc: "The client's first message of a session, after the engine's `ready`.",
    result:
      "`{protocol, engine, instance, limits, bulk: path or nil, token: bin16, versions, devices}`",
  },
  load: {
    arguments: {
      program: { kind: "id", doc: "A new id." },
      constants: {
        kind: "constants?",
        doc: "A map from the hash (hex) of a `constant_by_hash` to a tensor id.",
      },
      externals: {
        kind: "externals?",
        doc: "A map from the name of an `external` to a tensor id.",
      },
      brief: {
        kind: "flag?",
        doc: "True: of the sites that only have a label no more than one is told. A large graph has thousands.",
      },
    },
    attachment: "graph",
    doc: "A new program. The attachment is the graph's canonical bytes.",
    result:
      "`{hash, inputs: [type], outputs: [type], input_names?: [name], functions: [name], types: [type], sites: [site]}`",
  },
  keep: {
    arguments: {
      program: { kind: "id", doc: "A program that was loaded." },
      name: {
        kind: "text",
        doc: "By which `load_kept` finds it, in any session of any engine of this user.",
      },
      folder: {
        kind: "folder?",
        doc: "The folder of the store, an absolute path on the engine's machine; by default the engine's own.",
      },
    },
    attachment: "note",
    doc: "Keeps a program in the engine's store on disk (docs/store.md), for engines of the same version and kind of device. The attachment is the client's own, and is given back by `load_kept`. A program with constants by hash is not kept.",
    result: "`true` where it is kept",
  },
  load_kept: {
    arguments: {
      program: { kind: "id", doc: "A new id." },
      name: { kind: "text", doc: "The name that the program was kept under." },
      externals: { kind: "externals?", doc: "As in `load`." },
      brief: { kind: "flag?", doc: "As in `load`." },
      folder: { kind: "folder?", doc: "As in `keep`." },
    },
    doc: "As `load`, of a program that the store has: no graph is sent, and no type is inferred. Where the store does not have it, the error is `program_unkept`, and the client sends the graph with `load`, under another id.",
    result: "as of `load`, and `{graph: attachment, note: attachment}`",
  },
  forget_kept: {
    arguments: {
      name: { kind: "text", doc: "The name that a program was kept under." },
      folder: { kind: "folder?", doc: "As in `keep`." },
    },
    doc: "Has the store forget a program. Those that were loaded from it stay.",
  },
  unload: {
    arguments: { program: { kind: "id", doc: "The program." } },
    doc: "Frees a program. Runs of it that are under way go on.",
  },
  put: {
    arguments: {
      tensor: { kind: "id", doc: "A new id." },
      tensorType: { kind: "type", doc: "Its type." },
      source: {
        kind: "source",
        doc: 'The index of an attachment, or `["transfer", n]` for bytes that come over the bulk socket.',
      },
    },
    doc: "A new tensor.",
    result: "`nil`",
  },
  open_file: {
    arguments: {
      path: {
        kind: "text",
        doc: "A file of the engine's machine. A relative path is one of the engine's working directory.",
      },
      tensors: { kind: "file_tensors", doc: "A map from names in the file to new tensor ids." },
    },
    doc: "Names tensors of a .safetensors file, or constants of a .mlxfn file. The header is read and checked at once, each tensor when a run or a read first needs it.",
    result: "a map from name to type",
  },
  open_function: {
    arguments: {
      path: { kind: "text", doc: "A .mlxfn file, as the path of `open_file`." },
      sizes: {
        kind: "sizes?",
        doc: "`[trace, [type]]` for one trace of a function that was exported shapeless, with inputs of these types.",
      },
    },
    doc: "Reads a function that MLX exported (docs/mlxfn.md). The answer has an attachment for each of its traces, or for the one that was asked for: the canonical bytes of its graph, whose externals are constants for `open_file`.",
    result:
      "`{version, shapeless, metadata, traces: [{inputs: [type], keywords: [name], results: [type], constants: [name]}]}`",
  },
  export_function: {
    arguments: {
      path: { kind: "text", doc: "The file, as the path of `open_file`." },
      traces: {
        kind: "exported",
        doc: "`[[program, [name]]]`: a program for each trace, and the names of its last parameters, which are then given by keyword.",
      },
      metadata: { kind: "text", doc: "A text to be kept in the file." },
      shapeless: { kind: "flag?", doc: "Whether it takes inputs of other sizes too." },
    },
    doc: "Writes programs to a .mlxfn file of the engine's machine, as the traces of a function that MLX runs. It is cancelled only while it waits for bytes of the programs' constants.",
    result: "`{hooks_left_out}`, the number of hooks and prints that the file does without",
  },
  run: {
    arguments: {
      queue: { kind: "id", doc: "Any unsigned number. The queue is made on first use." },
      program: { kind: "id", doc: "The program." },
      inputs: {
        kind: "inputs",
        doc: `One for each parameter, ${OPERANDS}. With nil for the type it is the parameter's.`,
      },
      outputs: { kind: "outputs", doc: "New tensor ids; `nil` for one that is not to be kept." },
      options: { kind: "run_options?", doc: "See *Options of a run*." },
    },
    doc: "Runs a program.",
    result: "`{outputs: [type], values: [attachment or nil]}`",
  },
  runs: {
    arguments: {
      runs: {
        kind: "runs",
        doc: "At most 1,024, each `[request, queue, program, inputs, outputs]`.",
      },
      parent: { kind: "parent?", doc: "As the option of a run." },
    },
    doc: "Several runs in one message. They are taken one after the other, as if each came alone with this request number and the option `answer: false`.",
  },
  get: {
    arguments: {
      tensor: { kind: "id", doc: "The tensor." },
      options: {
        kind: "get_options?",
        doc: "See *Options of a read*.",
      },
    },
    doc: "The value of a tensor.",
    result: "`{type, value: attachment}` or `{type, transfer: n, bytes: length}`",
  },
  free: {
    arguments: { tensors: { kind: "ids", doc: "Tensors. Unknown ids are ignored." } },
    doc: "Frees names at arrival, and memory once nothing uses it. A `put` whose bytes have not come is answered by an error `tensor_freed`, unless a run, a read or a program waits for them.",
  },
  cancel: {
    arguments: {
      request: { kind: "id", doc: "The number of the request." },
      reason: { kind: "reason?", doc: "The message of its error." },
    },
    doc: "Gives up a `load`, a `run`, an `embed`, a `generate`, a `next_token`, a `snapshot`, a `get` or a `put` by transfer that has no answer yet. It is answered by an error `cancelled`, a run at its next checkpoint. Of a `get` that was answered, the bytes that have not begun to leave are not sent, see *The bulk socket*. Requests that are over are left alone.",
  },
  close_queue: {
    arguments: { queue: { kind: "id", doc: "The queue." } },
    doc: "Frees a queue. Runs queued in it still run; generations of it end.",
  },
  record: {
    arguments: {
      recording: { kind: "id", doc: "A new id." },
      path: { kind: "text", doc: "The file, as in `open_file`." },
      matches: { kind: "matches", doc: "What is recorded: whatever one of them is for." },
    },
    doc: "Writes events, and the replies of all callbacks, to a file of the engine's machine (docs/record.md).",
    result: "`nil`",
  },
  stop_recording: {
    arguments: { recording: { kind: "id", doc: "The recording." } },
    doc: "Ends a recording. It is answered when the file is whole. The end of a session does the same.",
    result: "`{events: count}`",
  },
  replay: {
    arguments: {
      replay: { kind: "id", doc: "A new id, which may be used once this is answered." },
      path: { kind: "text", doc: "The file, as in `open_file`." },
    },
    doc: "Reads a recording, whose replies runs may be given by their option `replay` (docs/record.md).",
    result: "`nil`",
  },
  stop_replay: {
    arguments: { replay: { kind: "id", doc: "The replay." } },
    doc: "Frees a replay.",
    result: "`{answered: count of callbacks}`",
  },
  open_model: {
    arguments: {
      model: { kind: "id", doc: "A new id, which may be used once this is answered." },
      path: {
        kind: "text",
        doc: "A Hugging Face folder or a GGUF file of the engine's machine, as the path of `open_file`: docs/models.md says which models there are.",
      },
      pooling: {
        kind: "pooling?",
        doc: "Of an embedding model: `{mode, normalize?, dimension?}`, in place of its own; not `none`.",
      },
    },
    doc: "Opens a model. All sessions of an engine that open the same files, or copies of them, share one copy of the weights, which are freed when no session has them open. To open a model again under the id that it has changes nothing.",
    result:
      '`{kind: "embedding", dimension, longest, pooling, bytes}`: numbers of a vector, the most tokens of a text, bytes of the weights; or `{kind: "language", vocabulary, context, bytes}`: tokens that there are, the most tokens of a text',
  },
  embed: {
    arguments: {
      model: { kind: "id", doc: "An embedding model." },
      output: {
        kind: "output",
        doc: "A new tensor id for the vectors, float32[texts, dimension]; `nil` to get them with the answer.",
      },
      texts: { kind: "texts", doc: "How many texts: one attachment each, in UTF-8." },
      refuse: {
        kind: "flag?",
        doc: "Whether a text with more tokens than the model takes is an error `text_too_long`; by default its first ones are used.",
      },
    },
    doc: "Makes a vector of each text. Requests overlap.",
    result: "`{type, value: attachment or nil}`",
  },
  generate: {
    arguments: {
      generation: { kind: "id", doc: "A new id." },
      queue: { kind: "id", doc: "The generation ends with this queue, see `close_queue`." },
      model: { kind: "id", doc: "A language model." },
      prompt: {
        kind: "prompt",
        doc: "What is gone on after: a text; a list of tokens; or the messages of a chat, a list of `[role, content]`, in the form that the model was trained with.",
      },
      options: { kind: "generate_options?", doc: "See *Options of a generation*." },
    },
    doc: "Begins to generate text, and computes the first token.",
    result: "as of `next_token`",
  },
  next_token: {
    arguments: { generation: { kind: "id", doc: "The generation." } },
    doc: "Computes the next token. The answer with `end` is the last one: the generation is over then, as it is after an error.",
    result:
      "`{token: number or nil, text, end: nil or {reason, prompt_ids: [token], prefill_ms, decode_ms}}`: the text that is certain by now; why it ended, which is `stop`, `length` or `context`; milliseconds until the first token, and from there to the last",
  },
  close_generation: {
    arguments: {
      generation: { kind: "id", doc: "The generation. An unknown id is ignored." },
    },
    doc: "Ends a generation; a token that is being computed is given up.",
  },
  snapshot: {
    arguments: {
      snapshot: { kind: "id", doc: "A new id, which may be used once this is answered." },
      model: { kind: "id", doc: "A language model." },
      prompt: { kind: "prompt", doc: "The beginning of prompts." },
    },
    doc: "Computes the beginning of prompts, and keeps it for the option `snapshot` of `generate`. Of messages it is what the model's template makes of them, without the beginning of an answer. To make a snapshot again under the id that it has changes nothing.",
    result: "`{tokens: count}`",
  },
  close_snapshot: {
    arguments: { snapshot: { kind: "id", doc: "The snapshot. An unknown id is ignored." } },
    doc: "Frees a snapshot; generations under way go on.",
  },
  close_model: {
    arguments: { model: { kind: "id", doc: "The model. An unknown id is ignored." } },
    doc: "Frees the name of a model; requests under way go on.",
  },
  subscribe: {
    arguments: {
      match: { kind: "match", doc: "Which sites." },
      policy: { kind: "policy?", doc: "Which of their events." },
      view: { kind: "view?", doc: "What of their values." },
      events: { kind: "events?", doc: "How many events may be in flight. Any number by default." },
    },
    doc: "Subscribes to events, see *Hooks*. The request number becomes the subscription.",
    result: "`nil`",
  },
  unsubscribe: {
    arguments: { subscription: { kind: "id", doc: "Its request number." } },
    doc: "Ends a subscription. Nothing comes for it after the events already sent.",
  },
  consumed: {
    arguments: { bytes: { kind: "count", doc: "The cost of the events that were taken." } },
    doc: "Returns hook credit. Sent with the request number of the subscription or run.",
  },
  reply: {
    arguments: {
      run: { kind: "id", doc: "The request number of the run." },
      callback: { kind: "id", doc: "The number of the callback." },
      values: { kind: "values", doc: `The values, ${OPERANDS}.` },
    },
    doc: "Answers a `callback`. Values of other types, or another number of them, than declared fail the run with `reply_invalid`.",
  },
  reply_error: {
    arguments: {
      run: { kind: "id", doc: "The request number of the run." },
      callback: { kind: "id", doc: "The number of the callback." },
      code: { kind: "text", doc: "The code of the error." },
      message: { kind: "text", doc: "Its message." },
    },
    doc: "Answers a `callback`: the run fails with this error.",
  },
  info: {
    arguments: {},
    doc: "What the engine holds. `programs` and `tensors` are those of this session, those of `engine` are of all sessions. `uptime` is in seconds.",
    result:
      "`{memory, counters, programs, tensors, engine: {pid, uptime, folder, programs, runs, models: [{path, bytes, users}]}}`",
  },
  memory: {
    arguments: {},
    doc: "The memory of the engine, in bytes, and which sessions and models have it. `bytes` of a session are those of the buffers that its tensors and the constants of its programs have now, each once; `typed` is what its tensors have by their types, and `peak` the most that this was. A buffer that several sessions have counts for each of them. `own` is the session that asks, and `models` of a session are the paths of those that it has open, whose memory is not counted as its own.",
    result:
      "`{active, peak, cached, limit, cache_limit, sessions: [{session, client, own, tensors, programs, bytes, typed, peak, models: [path]}], models: [{path, bytes, users}]}`",
  },
} as const satisfies Readonly<Record<string, ClientMessageRow>>;
