// Contract suites for adapters of replicast's ports, for whoever writes one.
export { describeFidelity } from "./fidelity-contract.ts";
export { describeHoldings } from "./holdings-contract.ts";
export { describeJournal } from "./journal-contract.ts";
export { describeLedger } from "./ledger-contract.ts";
export { describeObjectStore } from "./object-store-contract.ts";
export { describeResumption } from "./resumption-contract.ts";
export { describeSafeguards } from "./safeguards-contract.ts";
export { describeTaskStore } from "./task-store-contract.ts";
export { describeTransfer } from "./transfer-contract.ts";
export { describeUploads } from "./uploads-contract.ts";
