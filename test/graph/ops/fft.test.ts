import { FFT } from "../../../src/graph/ops/fft.js";
import { describeOps } from "../../support/op-cases.js";
import { FFT_CASES } from "./cases/fft.js";

describeOps("fft ops", FFT, FFT_CASES);
