import { describeJournal } from "../../src/testing/journal-contract.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeJournal({ name: "sqlite", exempt: {}, open: openSqliteHarness });
