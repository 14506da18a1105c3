/** Bytes with less in them: what takes most away comes first. */
export function* smallerBytes(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = bytes.length >> 1; length >= 1; length >>= 1) {
    for (let at = 0; at + length <= bytes.length; at += length) {
      yield Uint8Array.from(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]));
      if (bytes.length / length > 512) return;
    }
  }
}
