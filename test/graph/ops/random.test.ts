import { RANDOM } from "../../../src/graph/ops/random.js";
import { describeOps } from "../../support/op-cases.js";
import { RANDOM_CASES } from "./cases/random.js";

describeOps("random ops", RANDOM, RANDOM_CASES);
