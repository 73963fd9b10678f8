import type { Conflict } from "../../domain/conflict.ts";
import type { Side } from "../../domain/decision.ts";
import type { LedgerEntry } from "../../domain/status.ts";
import type { Ledger } from "../../ports/state.ts";
import type { CarriedGuards } from "../carried-guards.ts";
import { toRoute } from "../diff.ts";
import type { Assignment, Failed, Settled } from "../settlement.ts";
import type { Reading } from "./reading.ts";

/** One try of a task. */
export interface Attempt extends Assignment {
  /** The object's key at the destination. */
  readonly key: string;
  /** The destination is to be read, not believed. */
  readonly mustLook: boolean;
  /** A write on the condition of what was read a moment before did not pass. */
  readonly wasRefused: boolean;
  /** As it was when the attempt began, where it may say something of a delete. */
  readonly row: LedgerEntry | undefined;
}

/** All that an attempt has to go by: found out before anything is decided, and changed by nobody. */
export interface Situation extends Attempt {
  readonly source: Reading;
  readonly destination: Reading;
  /** What a person was asked about these sides and has not answered: the other direction waits meanwhile. */
  readonly conflict: Conflict | undefined;
  /** Whether the source's ACL is one that was given to it. */
  readonly comparesAcls: boolean;
}

/** How an attempt ended; `acl`: what became of the replica's, where it was looked at. "look": again, and with the destination read. */
export type End = (Settled & Pick<CarriedGuards, "acl">) | Failed | "again" | "look";

export type ObjectSide = Side & { readonly kind: "object" };

export function rowOf(ledger: Pick<Ledger, "get">, { aim, task }: Assignment): Promise<LedgerEntry | undefined> {
  return ledger.get(toRoute(aim.rule, aim.destination), task.key);
}

/** A change of tags, ACL or lock was announced: they are read too. */
export function isOfAttributes({ task }: Assignment): boolean {
  return task.changes?.attributes === true;
}

/** Canonical ids of all buckets whose contents may meet, in the order of the config's list. */
export function membersOf({ aim: { rule, destination } }: Assignment): readonly string[] {
  return rule.mesh ?? [rule.source.id, destination.bucket.id];
}

/** Whether nobody asked the destination what it has. */
export function isBelieved({ destination, mustLook }: Situation): boolean {
  return destination.state === undefined && !mustLook;
}

export function originOf({ side }: Reading): string | null {
  return side.kind === "absent" ? null : side.content.origin;
}
