/**
 * Turns tokens into text as they come. A character whose bytes are not all there waits for the next token, and so does what may be the beginning
 * of a stop text.
 */
export class TextStream {
  readonly #decode: (ids: readonly number[]) => string;
  readonly #stop: readonly string[];
  readonly #ids: number[] = [];
  /** Tokens whose text is in `#text`, and where those begin that are decoded with the next one: its text depends on the one before. */
  #done = 0;
  #from = 0;
  #text = "";
  #told = 0;
  #stopped = false;

  constructor(decode: (ids: readonly number[]) => string, stop: readonly string[]) {
    this.#decode = decode;
    this.#stop = stop;
  }

  /** Whether a stop text came. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** All of the text so far, up to a stop text. */
  get text(): string {
    return this.#text;
  }

  /** Takes a token; returns the text that is certain by now and was not returned before. */
  push(token: number): string {
    this.#ids.push(token);
    const [before, now] = this.#window();
    if (now.endsWith("\ufffd") || now.length <= before.length) return "";
    this.#from = this.#done;
    this.#done = this.#ids.length;
    this.#add(now.slice(before.length));
    return this.#tell(this.#text.length - (this.#stopped ? 0 : this.#heldBack()));
  }

  /** No more tokens come: returns what is left. */
  end(): string {
    const [before, now] = this.#window();
    if (!this.#stopped) this.#add(now.slice(before.length));
    this.#done = this.#ids.length;
    return this.#tell(this.#text.length);
  }

  /** The text of the last tokens, without and with those that have none yet. */
  #window(): [before: string, now: string] {
    const from = this.#from;
    return [this.#decode(this.#ids.slice(from, this.#done)), this.#decode(this.#ids.slice(from))];
  }

  #add(more: string): void {
    this.#text += more;
    const found = this.#stop.map((one) => this.#text.indexOf(one)).filter((at) => at >= 0);
    if (found.length === 0) return;
    this.#stopped = true;
    this.#text = this.#text.slice(0, Math.min(...found));
  }

  #tell(upTo: number): string {
    const told = this.#told;
    this.#told = Math.max(told, upTo);
    return this.#text.slice(told, this.#told);
  }

  /** How many characters at the end may be the beginning of a stop text. */
  #heldBack(): number {
    let most = 0;
    for (const one of this.#stop) {
      for (let length = Math.min(one.length - 1, this.#text.length); length > most; length--) {
        if (this.#text.endsWith(one.slice(0, length))) most = length;
      }
    }
    return most;
  }
}
