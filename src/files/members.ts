/** Reads something when it is first asked for, and keeps it. */
export function once<T>(read: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => {
    known ??= { value: read() };
    return known.value;
  };
}

/**
 * The tensors of a file by name. A member that cannot be used is no fault of the others: it is listed, and its error
 * is thrown when it is asked for, also by iterating over values or entries. `keys` and `has` never throw.
 */
export class Members<T> implements ReadonlyMap<string, T> {
  readonly #members: ReadonlyMap<string, () => T>;
  readonly #others: ReadonlyMap<string, () => never>;

  /**
   * `members` reads each member, when it is asked for.
   * `others` has the errors of what is in the file but is no tensor: it is not listed.
   */
  constructor(
    members: ReadonlyMap<string, () => T>,
    others: ReadonlyMap<string, () => never> = new Map(),
  ) {
    this.#members = members;
    this.#others = others;
  }

  /** The number of members. */
  get size(): number {
    return this.#members.size;
  }

  /** Returns whether there is a member of this name. */
  has(name: string): boolean {
    return this.#members.has(name);
  }

  /** @throws FileError where the member cannot be used */
  get(name: string): T | undefined {
    return (this.#members.get(name) ?? this.#others.get(name))?.();
  }

  /** The names. */
  keys(): MapIterator<string> {
    return this.#members.keys();
  }

  /** The members. */
  *values(): MapIterator<T> {
    for (const read of this.#members.values()) yield read();
  }

  /** Names and members. */
  *entries(): MapIterator<[string, T]> {
    for (const [name, read] of this.#members) yield [name, read()];
  }

  [Symbol.iterator](): MapIterator<[string, T]> {
    return this.entries();
  }

  /** Calls a function with every member. */
  forEach(visit: (value: T, name: string, map: ReadonlyMap<string, T>) => void): void {
    for (const [name, value] of this) visit(value, name, this);
  }

  /** Members made of these, each when it is first asked for; what cannot be used cannot be used there either. */
  map<U>(make: (value: T) => U): Members<U> {
    const made = [...this.#members].map(
      ([name, read]) => [name, once(() => make(read()))] as const,
    );
    return new Members(new Map(made), this.#others);
  }
}

/** Reads members, one after the other. One that cannot be used throws when it is asked for. */
export async function readMembers<T>(
  names: Iterable<string>,
  read: (name: string) => Promise<T>,
): Promise<Members<T>> {
  const members = new Map<string, () => T>();
  for (const name of names) {
    try {
      const member = await read(name);
      members.set(name, () => member);
    } catch (error) {
      members.set(name, () => {
        throw error;
      });
    }
  }
  return new Members(members);
}
