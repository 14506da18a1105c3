/** What a session may hold and send. All are told to the client in the answer to `hello`. */
export interface Limits {
  /** The longest frame, in both directions. */
  readonly maxFrameBytes: number;
  /** Requests without an answer yet. */
  readonly requests: number;
  /** Answers that the client has not read, in bytes, beyond which it may not ask for more. */
  readonly unreadBytes: number;
  /** Messages that wait for a program to be loaded, in bytes. */
  readonly heldBytes: number;
  /** Hook bytes in flight to one subscription, or to one run. */
  readonly hookCredit: number;
  readonly tensors: number;
  readonly programs: number;
  readonly queues: number;
  readonly subscriptions: number;
}

/** The defaults. */
export const DEFAULT_LIMITS: Limits = {
  maxFrameBytes: 64 * 1024 * 1024,
  requests: 65_536,
  unreadBytes: 256 * 1024 * 1024,
  heldBytes: 256 * 1024 * 1024,
  hookCredit: 8 * 1024 * 1024,
  tensors: 4_194_304,
  programs: 65_536,
  queues: 65_536,
  subscriptions: 4096,
};

/** The limits as `hello` answers them. */
export function wireLimits(limits: Limits, maxHeaderBytes: number): Record<string, number> {
  return {
    max_frame_bytes: limits.maxFrameBytes,
    max_header_bytes: maxHeaderBytes,
    requests: limits.requests,
    unread_bytes: limits.unreadBytes,
    held_bytes: limits.heldBytes,
    hook_credit: limits.hookCredit,
    tensors: limits.tensors,
    programs: limits.programs,
    queues: limits.queues,
    subscriptions: limits.subscriptions,
  };
}
