import { describeResumption } from "../../src/testing/resumption-contract.ts";
import { describeTransfer } from "../../src/testing/transfer-contract.ts";
import { useEmbeddedTransfer } from "../support/embedded-transfer.ts";

const contract = useEmbeddedTransfer();
describeTransfer(contract);
describeResumption(contract);
