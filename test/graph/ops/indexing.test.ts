import { INDEXING } from "../../../src/graph/ops/indexing.js";
import { describeOps } from "../../support/op-cases.js";
import { INDEXING_CASES } from "./cases/indexing.js";

describeOps("indexing ops", INDEXING, INDEXING_CASES);
