import { MATMUL } from "../../../src/graph/ops/matmul.js";
import { describeOps } from "../../support/op-cases.js";
import { MATMUL_CASES } from "./cases/matmul.js";

describeOps("matmul ops", MATMUL, MATMUL_CASES);
