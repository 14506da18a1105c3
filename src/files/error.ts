import type { ErrorCodeOf } from "../contract/errors.js";
import { DavitError } from "../error.js";

/** Why a file was refused. Stable: callers may match on it. */
export type FileErrorCode = ErrorCodeOf<"file">;

/** A file that cannot be read or written: which, why, and what was expected instead. */
export class FileError extends DavitError {
  declare readonly code: FileErrorCode;
  declare readonly expected: string;

  constructor(
    code: FileErrorCode,
    /** The file, followed by `:member` where the fault is in one of its members. */
    readonly path: string,
    problem: string,
    /** The content that a good file would have there. */
    expected: string,
    options?: ErrorOptions,
  ) {
    super(code, `${path}: ${problem} (expected ${expected})`, { ...options, expected });
  }
}

/** Turns an error of the file system into a {@link FileError}; others pass through. */
export function fromSystem(error: unknown, path: string): unknown {
  if (error instanceof FileError || !(error instanceof Error) || !("code" in error)) return error;
  if (error.code === "ENOENT" || error.code === "ENOTDIR") {
    return new FileError("file_missing", path, "there is no such file", "an existing file", {
      cause: error,
    });
  }
  if (error.code === "ERR_FS_FILE_TOO_LARGE") {
    return new FileError(
      "file_too_large",
      path,
      "it does not fit into one buffer",
      "at most 2 GiB; a .safetensors file may be larger, as it is read lazily",
      { cause: error },
    );
  }
  return new FileError("file_unreadable", path, error.message, "a readable, regular file", {
    cause: error,
  });
}
