import { JOINING } from "../../../src/graph/ops/joining.js";
import { describeOps } from "../../support/op-cases.js";
import { JOINING_CASES } from "./cases/joining.js";

describeOps("joining ops", JOINING, JOINING_CASES);
