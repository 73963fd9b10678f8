import { describeLedger } from "../../src/testing/ledger-contract.ts";
import { openSqliteHarness } from "./sqlite-state.ts";

describeLedger({ name: "sqlite", exempt: {}, open: openSqliteHarness });
