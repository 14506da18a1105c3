import { SORTING } from "../../../src/graph/ops/sorting.js";
import { describeOps } from "../../support/op-cases.js";
import { SORTING_CASES } from "./cases/sorting.js";

describeOps("sorting ops", SORTING, SORTING_CASES);
