import { CONVOLUTION } from "../../../src/graph/ops/convolution.js";
import { describeOps } from "../../support/op-cases.js";
import { CONVOLUTION_CASES } from "./cases/convolution.js";

describeOps("convolution ops", CONVOLUTION, CONVOLUTION_CASES);
