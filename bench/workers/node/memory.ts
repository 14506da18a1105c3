const buffers = new Map<number, readonly [Buffer, Buffer]>();

/** Copies so many bytes from one place to another, both in use before: gigabytes a second. */
export async function memcpy(bytes: number): Promise<number[]> {
  let pair = buffers.get(bytes);
  if (pair === undefined) {
    pair = [Buffer.alloc(bytes, 1), Buffer.alloc(bytes, 2)];
    buffers.set(bytes, pair);
  }
  const [from, to] = pair;
  const start = performance.now();
  from.copy(to);
  return [bytes / ((performance.now() - start) * 1e6)];
}
