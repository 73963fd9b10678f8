import { describeHoldings } from "../../src/testing/holdings-contract.ts";
import { openMemoryHarness } from "./memory-state.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeHoldings({ name: "sqlite", exempt: {}, open: openSqliteHarness });
describeHoldings({ name: "memory", exempt: {}, open: openMemoryHarness });
