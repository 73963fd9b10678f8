import { describeFidelity } from "../../src/testing/fidelity-contract.ts";
import { useEmbeddedTransfer } from "../support/embedded-transfer.ts";

describeFidelity(useEmbeddedTransfer());
