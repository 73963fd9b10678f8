import { describeUploads } from "../../src/testing/uploads-contract.ts";
import { openMemoryHarness } from "./memory-state.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeUploads({ name: "sqlite", exempt: {}, open: openSqliteHarness });
describeUploads({ name: "memory", exempt: {}, open: openMemoryHarness });
