import type { Destination, Rule } from "../../src/domain/rule.ts";
import { keyMatches } from "../../src/domain/rule.ts";
import type { LedgerEntry } from "../../src/domain/status.ts";
import { KEYS } from "./topology.ts";
import { clientKey } from "./twists.ts";
import { type ClientWrite, type EngineEffect, Witness } from "./witness.ts";
import { LEDGER_LOST, type World } from "./world.ts";

/** Watches every change that the engine makes, and looks at everything when nothing changes any more. Knows what clients did, not what the engine believes. */
export class Checker {
  readonly #world: World;
  /** By member: the members whose clients' bytes may come there. */
  readonly #allowed: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(world: World) {
    this.#world = world;
    this.#allowed = allowedOrigins(world);
    world.onEffect((effect) => this.#watch(effect));
  }

  /** Looks at the end of a run. */
  async inspect(): Promise<void> {
    for (const rule of this.#world.topology.rules) {
      for (const destination of rule.destinations)
        for (const key of this.#world.keys) if (keyMatches(rule.filter, key)) await this.#leg(rule, destination, key);
    }
    for (const key of KEYS) await this.#meshes(key);
    await this.#questions();
  }

  // ——— as it happens ———

  #watch(effect: EngineEffect): void {
    if (effect.after !== null) this.#arrived(effect, effect.after);
    else if (effect.before !== null) this.#removed(effect, effect.before);
    this.#unread(effect);
    this.#replaced(effect);
    this.#outOfOrder(effect);
  }

  /** Where all versions are replicated none comes to stand on a newer one, but for the current one (invariant 2). */
  #outOfOrder({ member, key, before, after }: EngineEffect): void {
    const rule = this.#world.topology.rules.find((one) => one.versions === "all" && this.#reaches(one, member));
    if (rule === undefined || before === null || after === null || before === after) return;
    const { prefix } = rule.destinations.find(({ bucket }) => this.#nameOf(bucket.id) === member)!;
    const source = this.#nameOf(rule.source.id);
    const history = this.#world.storeNamed(source).contents(key.slice(prefix.length));
    if (!keyMatches(rule.filter, key.slice(prefix.length)) || history[0] === after) return;
    const newest = history.indexOf(after);
    const oldest = history.lastIndexOf(before);
    if (newest === -1 || oldest === -1 || newest < oldest) return;
    const isFenced = this.#world.fencedWrites.has(`${member} ${key}`) && !this.#world.storeNamed(member).member.conditions;
    if (!isFenced) this.#world.problem(2, `${member}/${key} held ${before}, and the older version ${after} was put on it`);
  }

  /** Invariant 3: where a store honours conditions nothing is overwritten that was not read before. */
  #unread({ member, key, before, after, isBlind }: EngineEffect): void {
    const { member: traits } = this.#world.storeNamed(member);
    if (!isBlind || !traits.conditions || !this.#isInterior(traits.bucket.id)) return;
    this.#world.problem(3, `${member}/${key} held ${before}, which nobody had read, and ${after ?? "a delete"} was put over it`);
  }

  /** Invariant 6: what comes to a member was written at one of those that its rules name. */
  #arrived({ member, key, before }: EngineEffect, content: string): void {
    const { witness } = this.#world;
    const origins = witness.originsOf(content);
    const allowed = this.#allowed.get(member) ?? new Set();
    if (![...origins].some((origin) => allowed.has(origin))) {
      this.#world.problem(
        6,
        `${content}, written at ${[...origins]}, came to ${member}/${key} over ${before ?? "nothing"}, where only ${[...allowed]} may come`,
      );
    }
  }

  /** Invariant 4: what is removed was deleted by a client who could know of it, or by one whose delete won over it. */
  #removed({ member, key }: EngineEffect, content: string): void {
    const { witness, hastyLosses } = this.#world;
    const deleting = this.#world.topology.rules.some((rule) => rule.deletes !== "none" && this.#reaches(rule, member));
    const sources = new Set(this.#allowed.get(member) ?? []);
    const deletes = witness.writesOf(key, sources).filter((write) => write.content === null && this.#mayTravel(write));
    const written = witness.writes.filter((write) => clientKey(write.key) === clientKey(key) && write.content === content);
    const justified = deletes.some((remove) => written.some((write) => !write.follows.has(remove.id)));
    this.#rejected(member, key, content);
    // A write right after a delete, lost without a word: the stated gap.
    if (deleting && [...sources].some((source) => hastyLosses.has(`${source} ${key}`))) return;
    if (this.#isPast(member, key, content) || this.#isMarkedLate(member)) return;
    if (!deleting || !justified) this.#world.problem(4, `${member}/${key} held ${content}, which no client deleted, and it was removed`);
  }

  /** A lifecycle's delete is one where the rules say so, and where its marker is found before its event tells whose it is: the stated gap. */
  #mayTravel(write: ClientWrite): boolean {
    if (!write.isExpiration || this.#world.topology.rules.some(({ expirations }) => expirations)) return true;
    return write.isMarked && (!this.#world.isToldLongAgo(write) || write.excuse === LEDGER_LOST);
  }

  /** A marker of a worker that was paused for longer than its lease, where no condition stops it: the stated gap of invariant 10. */
  #isMarkedLate(member: string): boolean {
    const isReplayed = this.#world.topology.rules.some((rule) => rule.versions === "all" && this.#reaches(rule, member));
    const { conditions } = this.#world.storeNamed(member).member;
    return isReplayed && !conditions && this.#world.faults.met.some((fault) => fault.startsWith("pause ") || fault.startsWith("stall "));
  }

  /** Of a history that is replicated whole a lifecycle's delete may come to be part where a newer version follows it: nothing is deleted by it. */
  #isPast(member: string, key: string, content: string): boolean {
    return this.#world.topology.rules.some((rule) => {
      const destination = rule.destinations.find(({ bucket }) => this.#nameOf(bucket.id) === member);
      if (rule.versions !== "all" || destination === undefined || !key.startsWith(destination.prefix)) return false;
      const history = this.#world.storeNamed(this.#nameOf(rule.source.id)).contents(key.slice(destination.prefix.length));
      return history.slice(0, history.indexOf(content)).some((other) => other !== null);
    });
  }

  /** What a person kept from being deleted stays until somebody writes or deletes there anew. */
  #rejected(member: string, key: string, content: string): void {
    const { rejected, witness } = this.#world;
    const writes = rejected.get(`${member} ${key}`);
    if (writes === undefined || witness.writes.slice(writes).some((write) => clientKey(write.key) === clientKey(key))) return;
    this.#world.problem(4, `${member}/${key} held ${content}, whose delete a person had rejected, and it was removed`);
  }

  /** Where a store honours no conditions a client's write can be hit between the look and the write: the stated gap. */
  #replaced({ member, key, before }: EngineEffect): void {
    if (before === null || this.#world.storeNamed(member).member.conditions) return;
    for (const write of this.#world.witness.writes) {
      if (write.member === member && write.key === key && write.content === before) write.excuse ??= "its store honours no conditions";
    }
  }

  #reaches(rule: Rule, member: string): boolean {
    return rule.destinations.some(({ bucket }) => this.#nameOf(bucket.id) === member);
  }

  // ——— at the end ———

  async #leg(rule: Rule, destination: Destination, key: string): Promise<void> {
    const world = this.#world;
    const source = this.#nameOf(rule.source.id);
    const target = this.#nameOf(destination.bucket.id);
    const at = destination.prefix + key;
    const entry = await world.state.ledger.get({ rule: rule.id, source: rule.source.id, destination: destination.canonicalId }, key);
    if (rule.mesh === undefined && !this.#isInterior(destination.bucket.id)) this.#leaf({ rule, source, target, key, at, entry });
    this.#proven({ rule, source, target, key, at, entry });
    if (rule.versions === "all") await this.#history(rule, destination, key);
  }

  /** Invariant 1 with `versions: all`: each version of the source is somewhere in the history of the destination, or its row says why not. */
  async #history(rule: Rule, destination: Destination, key: string): Promise<void> {
    const world = this.#world;
    const [source, target] = [this.#nameOf(rule.source.id), this.#nameOf(destination.bucket.id)];
    // A destination is not read for what was replicated to it: what it lost of the past is lost.
    if (world.recreated.has(target) || world.storeNamed(source).member.hides || world.storeNamed(target).member.hides) return;
    const there = new Set(world.storeNamed(target).contents(destination.prefix + key));
    const rows = (await world.state.ledger.entriesOf(rule.source.id, key)).filter(
      (entry) => entry.rule === rule.id && entry.destination === destination.canonicalId,
    );
    if (rows.some((entry) => entry.versionId === "" && isExplained(entry)) || this.#cannotBeListed(rule, source, key)) return;
    for (const [i, content] of world.storeNamed(source).contents(key).entries()) {
      if (content === null || there.has(content)) continue;
      const versionId = world.storeNamed(source).versionIds(key)[i];
      if (rows.some((row) => row.versionId === versionId && row.status !== "COMPLETED")) continue;
      world.problem(1, `${source}/${key} keeps the version ${content}, ${target} does not, and no row says why`);
    }
  }

  /** Invariant 1: a leaf holds what its source holds, or its row says why not. */
  #leaf({ rule, source, target, key, at, entry }: Leg): void {
    const world = this.#world;
    const there = world.storeNamed(source).current(key);
    const here = world.storeNamed(target).current(at);
    if (there === undefined) {
      this.#goneAtSource({ rule, source, target, key, at, entry });
      return;
    }
    if (here?.etag === there.etag && here.content === there.content) {
      if (isExplained(entry) || this.#cannotBeListed(rule, source, key)) return;
      if (rule.versions === "all" && world.tookVersions.has(`${source} ${key}`)) return;
      if (world.toldTags.has(`${source} ${key}`) && JSON.stringify(here.tags) !== JSON.stringify(there.tags) && this.#allPlain()) {
        world.problem(1, `${target}/${key} has the tags ${JSON.stringify(here.tags)}, its source ${JSON.stringify(there.tags)}`);
      }
      return;
    }
    if (isExplained(entry)) return;
    // Permanent deletes of single versions are never replicated.
    if (rule.versions === "all" && world.tookVersions.has(`${source} ${key}`)) return;
    const mayCome = rule.transit || [...world.witness.originsOf(there.content)].every((origin) => origin === source);
    if (!mayCome || this.#cannotBeListed(rule, source, key) || this.#isFencedUnseen({ rule, source, target, at })) return;
    world.problem(
      1,
      `${source}/${key} holds ${there.content}, ${target} ${here?.content ?? "nothing"}, row ${entry?.status ?? "absent"} ${entry?.reason ?? ""}`,
    );
  }

  #goneAtSource({ rule, source, target, key, at, entry }: Leg): void {
    const world = this.#world;
    const here = world.storeNamed(target).current(at);
    if (here === undefined || rule.deletes === "none" || isExplained(entry)) return;
    if (rule.versions === "all" && (world.tookVersions.has(`${source} ${key}`) || world.storeNamed(source).member.hides)) return;
    if (entry?.reason === "NotOurs" && !this.#isRecorded(target, at)) return;
    if (world.rejected.has(`${target} ${at}`)) return;
    // What a fenced worker put there after the delete has no row that says it is ours: the stated gap.
    if (world.fencedWrites.has(`${target} ${at}`)) return;
    const last = world.witness.lastAt(source, key);
    if (last === undefined || last.content !== null || last.excuse !== undefined || this.#isInterior(this.#idOf(source))) return;
    if (rule.deletes === "markers" && !world.storeNamed(source).isMarked(key)) return;
    if (!world.witness.effects.some((effect) => effect.member === target && effect.key === at && effect.after === here.content)) return;
    world.problem(
      1,
      `${source}/${key} was deleted, ${target} still holds ${here.content}, row ${entry?.status ?? "absent"} ${entry?.reason ?? ""}`,
    );
  }

  /** Invariant 8: a row that says COMPLETED speaks of bytes that are really there. */
  #proven({ rule, source, target, key, at, entry }: Leg): void {
    const world = this.#world;
    const replica = entry?.replica;
    const here = world.storeNamed(target).current(at);
    if (entry?.status !== "COMPLETED" || entry.operation !== "copy" || replica == null || here === undefined) return;
    const leaf = rule.mesh === undefined && !this.#isInterior(this.#idOf(target));
    if (!leaf || (replica.destinationEtag === here.etag && replica.bytes === here.sizeBytes)) return;
    if (rule.versions === "all" && world.tookVersions.has(`${source} ${key}`)) return;
    if (this.#isFencedUnseen({ rule, source, target, at }) || this.#cannotBeListed(rule, source, key)) return;
    world.problem(
      8,
      `the row of ${target}/${at} says ${replica.destinationEtag} of ${replica.bytes} bytes, there is ${here.etag} of ${here.sizeBytes}`,
    );
  }

  /** Invariants 2, 3 and 11: all members hold the same, and it is one of the last things that clients wrote. */
  async #meshes(key: string): Promise<void> {
    const rules = this.#world.topology.rules.filter((rule) => rule.mesh !== undefined && keyMatches(rule.filter, key));
    const members = rules.map((rule) => this.#nameOf(rule.source.id));
    if (members.length === 0 || (await this.#isHeld(rules, key))) return;
    if (rules.some((rule) => this.#cannotBeListed(rule, this.#nameOf(rule.source.id), key))) return;
    // A bucket that comes back empty while the event of a removal still waits: its absence is taken for that removal, the stated gap.
    if (members.some((member) => this.#world.vanishedRemovals.has(`${member} ${key}`))) return;
    const writes = this.#world.witness.writesOf(key, new Set(members));
    const contents = members.map((member) => this.#world.storeNamed(member).current(key)?.content ?? null);
    const told = members.map((member, i) => `${member}=${contents[i] ?? "nothing"}`).join(" ");
    const staysAway = (write: ClientWrite) =>
      write.content === null && rules.some((rule) => rule.deletes !== "propagate" || (write.isExpiration && !rule.expirations));
    const deletesStay = writes.some(staysAway) || members.some((member) => this.#world.rejected.has(`${member} ${key}`));
    const equal = deletesStay ? contents.filter((content) => content !== null) : contents;
    const isComparable = members.every((member) => !this.#world.storeNamed(member).member.misorders);
    if (new Set(equal).size > 1 && isComparable) this.#world.problem(11, `${key}: members differ: ${told}`);
    for (const content of new Set(equal))
      if (!isPossible(content, writes))
        this.#world.problem(3, `${key}: ${told}, and ${content ?? "a delete"} was overwritten by a client who knew of it`);
  }

  /** Invariant 11: a person is asked about what differs, and about nothing else. */
  async #questions(): Promise<void> {
    const { conflicts } = await this.#world.state.safeguards.conflicts({ open: true, limit: 1_000 });
    for (const { rule, sides } of conflicts) {
      const rules = this.#world.topology.rules.filter((one) => one.id === rule);
      if (rules.some((one) => this.#sidesOf(one).some((name) => this.#world.storeNamed(name).member.misorders))) continue;
      const [one, other] = sides.map(({ bucket, key }) => this.#world.storeNamed(this.#nameOf(bucket)).current(key)?.content);
      if (one === other)
        this.#world.problem(
          11,
          `a person is asked about ${sides.map(({ bucket, key }) => `${bucket}/${key}`)}, which hold ${one ?? "nothing"} both`,
        );
    }
  }

  async #isHeld(rules: readonly Rule[], key: string): Promise<boolean> {
    for (const rule of rules) {
      for (const { canonicalId } of rule.destinations) {
        const entry = await this.#world.state.ledger.get({ rule: rule.id, source: rule.source.id, destination: canonicalId }, key);
        if (isExplained(entry)) return true;
      }
    }
    return false;
  }

  /** A change whose event was lost is found by listing, which some stores make impossible. */
  #cannotBeListed(rule: Rule, source: string, key: string): boolean {
    return this.#isBlind(rule, source) && this.#placesOf(rule, key).some((place) => this.#world.untold.has(place));
  }

  /** The stated gap of invariant 10: a leaf announces nothing to us, so that a fenced worker's write into it is found by listing alone. */
  #isFencedUnseen({ rule, source, target, at }: Omit<Leg, "entry" | "key">): boolean {
    return this.#isBlind(rule, source) && this.#world.fencedWrites.has(`${target} ${at}`);
  }

  /** One bucket that lists out of order keeps all of its rule from being compared, a source that hides a key that key. */
  #isBlind(rule: Rule, source: string): boolean {
    return this.#sidesOf(rule).some((name) => this.#world.storeNamed(name).member.misorders) || this.#world.storeNamed(source).member.hides;
  }

  #placesOf({ source, destinations }: Rule, key: string): readonly string[] {
    return [`${this.#nameOf(source.id)} ${key}`, ...destinations.map(({ bucket, prefix }) => `${this.#nameOf(bucket.id)} ${prefix}${key}`)];
  }

  #sidesOf(rule: Rule): readonly string[] {
    return [rule.source, ...rule.destinations.map(({ bucket }) => bucket)].map(({ id }) => this.#nameOf(id));
  }

  /** Tags travel with events only, and a ledger that was lost takes those that wait with it; in a mesh they have several sources. */
  #allPlain(): boolean {
    const { rules } = this.#world.topology;
    return (
      !rules.some((rule) => this.#isInterior(rule.source.id)) &&
      !this.#world.trace.some((line) => line.includes("-ledger") || line.includes("recreate"))
    );
  }

  /** Whether a row was written about the replica that is there: without one it cannot be told from a client's object. */
  #isRecorded(target: string, key: string): boolean {
    const here = this.#world.storeNamed(target).current(key);
    const versions = here?.versionId === "null" ? ["null", null] : [here?.versionId];
    return versions.some((version) => this.#world.recordedReplicas.has(`${target} ${key} ${here?.etag} ${version}`));
  }

  #isInterior(id: string): boolean {
    const { rules } = this.#world.topology;
    return rules.some((rule) => rule.source.id === id) && rules.some((rule) => rule.destinations.some(({ bucket }) => bucket.id === id));
  }

  #nameOf(id: string): string {
    return this.#world.nameOf(id);
  }

  #idOf(name: string): string {
    return this.#world.storeNamed(name).member.bucket.id;
  }
}

interface Leg {
  readonly rule: Rule;
  readonly source: string;
  readonly target: string;
  readonly key: string;
  /** The key at the target. */
  readonly at: string;
  readonly entry: LedgerEntry | undefined;
}

function isExplained(entry: LedgerEntry | undefined): boolean {
  return (entry?.status === "FAILED" || entry?.status === "HELD") && entry.reason !== null;
}

function isPossible(content: string | null, writes: readonly ClientWrite[]): boolean {
  if (content === null && writes.every((write) => write.content === null || write.excuse !== undefined)) return true;
  return writes.some((write) => write.content === content && Witness.isLast(write, writes));
}

/** Which members' bytes may come to each: those of its rules' sources, of a whole mesh, and of what reached the source where a rule says so. */
function allowedOrigins(world: World): ReadonlyMap<string, ReadonlySet<string>> {
  const { members, rules } = world.topology;
  const nameOf = (id: string) => members.find(({ bucket }) => bucket.id === id)!.name;
  const allowed = new Map(members.map(({ name }) => [name, new Set([name])]));
  // A chain of transit rules is as long as there are members at most.
  for (let i = 0; i < members.length; i++) {
    for (const rule of rules) {
      const origins = rule.mesh?.map(nameOf) ?? (rule.transit ? [...allowed.get(nameOf(rule.source.id))!] : [nameOf(rule.source.id)]);
      for (const { bucket } of rule.destinations) for (const origin of origins) allowed.get(nameOf(bucket.id))!.add(origin);
    }
  }
  return allowed;
}
