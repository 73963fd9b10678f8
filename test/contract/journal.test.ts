import { describeJournal } from "../../src/testing/journal-contract.ts";
import { openMemoryHarness } from "./memory-state.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeJournal({ name: "sqlite", exempt: {}, open: openSqliteHarness });
describeJournal({ name: "memory", exempt: {}, open: openMemoryHarness });
