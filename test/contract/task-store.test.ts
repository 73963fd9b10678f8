import { describeTaskStore } from "../../src/testing/task-store-contract.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeTaskStore({ name: "sqlite", exempt: {}, open: openSqliteHarness });
