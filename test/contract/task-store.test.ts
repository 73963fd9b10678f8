import { describeTaskStore } from "../../src/testing/task-store-contract.ts";
import { openMemoryHarness } from "./memory-state.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeTaskStore({ name: "sqlite", exempt: {}, open: openSqliteHarness });
describeTaskStore({ name: "memory", exempt: {}, open: openMemoryHarness });
