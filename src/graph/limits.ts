/** How large a graph from outside may be. */
export interface GraphLimits {
  /** Functions of a graph. Default 10,000. */
  readonly functions: number;
  /** Nodes of all functions together. Default 100,000: lanes have the stack for more than twice that. */
  readonly nodes: number;
  /** Nodes when every use of a function counts its nodes anew, as calls do once inlined. Default 1,000,000. */
  readonly expandedNodes: number;
  /** Values of all functions together: parameters, and what nodes make. Default 1,000,000. */
  readonly values: number;
  /** Operands and outputs of all nodes when every use of a function counts anew. Default 8,000,000. */
  readonly expandedValues: number;
  /** Items of all lists together: parameters, nodes, operands, results, attributes. Default 2,000,000. */
  readonly items: number;
  /** Values in one list: parameters, results, operands, outputs, attribute lists. Default 65,536. */
  readonly list: number;
  /** Bytes of all inline constants together. Default 64 MiB. */
  readonly constantBytes: number;
  /** Dimensions of a tensor. Default 32. */
  readonly rank: number;
  /** UTF-8 bytes of a name, a label or a string attribute. Default 4,096. */
  readonly textBytes: number;
  /** Bytes of one value, of any function. Default 1 TiB; the engine's memory limit comes on top. */
  readonly valueBytes: number;
}

/** The limits that hold where none are given. */
export const DEFAULT_LIMITS: GraphLimits = {
  functions: 10_000,
  nodes: 100_000,
  expandedNodes: 1_000_000,
  values: 1_000_000,
  expandedValues: 8_000_000,
  items: 2_000_000,
  list: 65_536,
  constantBytes: 64 * 2 ** 20,
  rank: 32,
  textBytes: 4096,
  valueBytes: 2 ** 40,
};
