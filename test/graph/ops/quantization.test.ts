import { QUANTIZATION } from "../../../src/graph/ops/quantization.js";
import { describeOps } from "../../support/op-cases.js";
import { QUANTIZATION_CASES } from "./cases/quantization.js";

describeOps("quantization ops", QUANTIZATION, QUANTIZATION_CASES);
