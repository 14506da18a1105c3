import { FAST } from "../../../src/graph/ops/fast.js";
import { describeOps } from "../../support/op-cases.js";
import { FAST_CASES } from "./cases/fast.js";

describeOps("fast ops", FAST, FAST_CASES);
