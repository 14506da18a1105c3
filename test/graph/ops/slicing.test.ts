import { SLICING } from "../../../src/graph/ops/slicing.js";
import { describeOps } from "../../support/op-cases.js";
import { SLICING_CASES } from "./cases/slicing.js";

describeOps("slicing ops", SLICING, SLICING_CASES);
