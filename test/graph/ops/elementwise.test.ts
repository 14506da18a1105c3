import { ELEMENTWISE } from "../../../src/graph/ops/elementwise.js";
import { describeOps } from "../../support/op-cases.js";
import { ELEMENTWISE_CASES } from "./cases/elementwise.js";

describeOps("elementwise ops", ELEMENTWISE, ELEMENTWISE_CASES);
