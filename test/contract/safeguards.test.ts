import { describeSafeguards } from "../../src/testing/safeguards-contract.ts";
import { openMemoryHarness } from "./memory-state.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeSafeguards({ name: "sqlite", exempt: {}, open: openSqliteHarness });
describeSafeguards({ name: "memory", exempt: {}, open: openMemoryHarness });
