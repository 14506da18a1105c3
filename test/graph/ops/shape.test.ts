import { SHAPE_OPS } from "../../../src/graph/ops/shape.js";
import { describeOps } from "../../support/op-cases.js";
import { SHAPE_CASES } from "./cases/shape.js";

describeOps("shape ops", SHAPE_OPS, SHAPE_CASES);
