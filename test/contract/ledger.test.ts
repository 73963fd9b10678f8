import { describeLedger } from "../../src/testing/ledger-contract.ts";
import { openMemoryHarness } from "./memory-state.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeLedger({ name: "sqlite", exempt: {}, open: openSqliteHarness });
describeLedger({ name: "memory", exempt: {}, open: openMemoryHarness });
