/** What a handler may throw besides errors, by what is special about it. */
export const STRANGE: Readonly<Record<string, unknown>> = {
  "an object without a string form": Object.create(null),
  "a symbol": Symbol("stop"),
  null: null,
  undefined: undefined,
  "an object whose toString throws": {
    toString() {
      throw new Error("no text");
    },
  },
  "an error whose message throws": Object.defineProperty(new Error("hidden"), "message", {
    get() {
      throw new Error("no message");
    },
  }),
  "an error whose message is no text": Object.assign(new Error("hidden"), { message: 7n }),
  "a Proxy that throws": new Proxy(new Error("hidden"), {
    get() {
      throw new Error("no property");
    },
    getPrototypeOf() {
      throw new Error("no prototype");
    },
  }),
  "a revoked Proxy": revoked(),
};

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
