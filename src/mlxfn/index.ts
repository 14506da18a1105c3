export {
  type ExportedFunction,
  type ExportedTrace,
  type ExportFunctionOptions,
  exportFunction,
} from "./export.js";
export {
  type ImportedCallOptions,
  ImportedFunction,
  type ImportedInput,
  type ImportOptions,
} from "./imported.js";
export { formatSignature, type OpenedFunction, openFunction, type Signature } from "./opened.js";
