import type { CopiedPair, CopyEvent } from "../app/provisioning/provision.ts";
import { CopyProgress } from "./copy-progress.ts";
import type { Output } from "./output.ts";
import { formatBytes } from "./progress.ts";

/** Shows the copying of existing objects while it runs, and what came of it. */
export class CopyReport {
  readonly #output: Output;
  #progress: CopyProgress | undefined;

  constructor(output: Output) {
    this.#output = output;
  }

  readonly onCopy = (event: CopyEvent): void => {
    this.#progress ??= new CopyProgress(this.#output);
    this.#progress.tell(event);
  };

  /** Takes the progress away; prints what came of each pair, which `--json` prints elsewhere. */
  async end(copied: readonly CopiedPair[]): Promise<void> {
    this.#progress?.end();
    if (!this.#output.json) for (const pair of copied) await this.#output.line(toLine(pair));
    if (copied.some(({ isComplete }) => !isComplete)) this.#output.info("broken off: the same command copies the rest");
  }

  stop(): void {
    this.#progress?.stop();
  }
}

/** What came of the copying, as `apply --json` prints it. */
export function copyDocument(copied: readonly CopiedPair[]): readonly object[] {
  return copied.map(({ rule, summary, left, isComplete }) => {
    const { destination, ...counts } = summary;
    return { rule: rule.id, source: rule.source.name, destination: destination.id, isComplete, ...counts, left };
  });
}

function toLine({ rule, summary, left }: CopiedPair): string {
  const { destination, compared, equal, copied, failed, bytesCopied } = summary;
  const leftAlone = LEFT_TEXTS.flatMap(([why, text]) => (left[why] === 0 ? [] : [`, ${left[why]} ${text}`]));
  const counts = `${compared} compared, ${equal} equal, ${copied} copied (${formatBytes(bytesCopied)}), ${failed} failed`;
  return `${rule.id}  ${destination.id}: ${counts}${leftAlone.join("")}`;
}

const LEFT_TEXTS: readonly (readonly [why: keyof CopiedPair["left"], text: string])[] = [
  ["carried", "left to S3"],
  ["replica", "replicas, which S3 carries no further"],
  ["encrypted", "under KMS, for which the rule names no key"],
  ["kept", "left as the destination has them"],
];
