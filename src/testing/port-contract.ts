import assert from "node:assert/strict";
import { describe, test } from "node:test";

/** How an adapter binds a contract suite. */
export interface PortContract<H> {
  /** Of the adapter. */
  readonly name: string;
  /** Exact titles of the cases the adapter cannot hold, each with the reason. */
  readonly exempt: Readonly<Record<string, string>>;
  /** Opens what the cases need, empty, for every case of its own. */
  readonly open: () => Promise<H>;
}

/** By title, which is the promise of the port. */
export type PortCases<H> = Readonly<Record<string, (harness: H) => Promise<void>>>;

/** Runs the cases of one port against one adapter. */
export function describePort<H extends { close(): Promise<void> }>(port: string, contract: PortContract<H>, cases: PortCases<H>): void {
  describe(`${port}: ${contract.name}`, () => {
    for (const [title, run] of Object.entries(cases)) {
      const reason = contract.exempt[title];
      test(title, reason === undefined ? {} : { skip: reason }, async () => {
        const harness = await contract.open();
        try {
          await run(harness);
        } finally {
          await harness.close();
        }
      });
    }
    test("every exemption names a case of this suite", () => {
      assert.deepEqual(
        Object.keys(contract.exempt).filter((title) => !(title in cases)),
        [],
      );
    });
  });
}
