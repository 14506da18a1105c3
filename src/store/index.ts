export type { Collected, GcOptions } from "./collect.js";
export { storePath } from "./folder.js";
export type { ModuleState } from "./inspect.js";
export { STORE_VERSION, type StoreFunction, type StoreGlobal, type StoreModule } from "./module.js";
export { Store, type StoreCounts, type StoredFunction, type StoreOptions } from "./store.js";
