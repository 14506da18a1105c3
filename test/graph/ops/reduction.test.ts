import { REDUCTION } from "../../../src/graph/ops/reduction.js";
import { describeOps } from "../../support/op-cases.js";
import { REDUCTION_CASES } from "./cases/reduction.js";

describeOps("reduction ops", REDUCTION, REDUCTION_CASES);
