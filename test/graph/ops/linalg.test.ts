import { LINALG } from "../../../src/graph/ops/linalg.js";
import { describeOps } from "../../support/op-cases.js";
import { LINALG_CASES } from "./cases/linalg.js";

describeOps("linalg ops", LINALG, LINALG_CASES);
