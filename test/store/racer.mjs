// Adds and finds functions in a store until it is killed. Prints a line for each hundred rounds, and what was wrong.
const { Store } = await import(process.argv[2]);
const path = process.argv[3];
const seed = Number(process.argv[4]);
const NAMES = 20;
const data = (name, version) => Buffer.from(`${name}:${version}:`.padEnd(200 + 37 * version, name));
const store = new Store({ path, limit: 200_000 });
let state = seed + 1;
const random = (below) => {
  state = (state * 48271) % 2147483647;
  return state % below;
};
for (let round = 1; ; round++) {
  const name = `f${random(NAMES)}`;
  const version = random(4);
  const kind = random(10);
  if (kind < 4) {
    store.add({
      functions: [{ name, data: data(name, version), globals: ["c"] }],
      globals: [{ name: "c", data: data("c", version), constant: true }],
    });
  } else if (kind === 4 && random(10) === 0) store.gc({ grace: random(2) * 1000 });
  else {
    const found = store.find(name);
    if (found !== undefined) {
      const [own, number] = Buffer.from(found.data).toString().split(":");
      const right = own === name && data(name, Number(number)).equals(found.data);
      const constant = data("c", Number(number)).equals(found.globals.get("c"));
      if (!right || !constant) console.log(`wrong: ${name}`);
    }
  }
  if (round % 100 === 0) console.log("100");
}
