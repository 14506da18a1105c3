import { CREATION } from "../../../src/graph/ops/creation.js";
import { describeOps } from "../../support/op-cases.js";
import { CREATION_CASES } from "./cases/creation.js";

describeOps("creation ops", CREATION, CREATION_CASES);
