import { describe, test } from "node:test";
import { Script } from "./script.ts";
import { HOUR, MINUTE } from "./times.ts";
import { type Member, memberOf, type Topology, topologyOf } from "./topology.ts";
import type { World } from "./world.ts";

const KEY = "a/k";

const UNCONDITIONAL: Partial<Member> = { conditions: false };
const VERSIONED: Partial<Member> = { versioning: "Enabled" };

/** A and B, or A, B and C, replicate everything to each other, deletes too. */
function twoWay(a: Partial<Member> = {}, b: Partial<Member> = {}): Topology {
  return topologyOf("two-way", [memberOf("A", a), memberOf("B", b)], { deletes: "propagate" });
}

function mesh(traits: Partial<Member> = {}): Topology {
  return topologyOf(
    "mesh",
    ["A", "B", "C"].map((name) => memberOf(name, traits)),
    { deletes: "propagate" },
  );
}

/** A, B and C replicate to each other, and A alone to D. */
function meshWithLeaf(): Topology {
  return topologyOf(
    "hybrid",
    ["A", "B", "C", "D"].map((name) => memberOf(name)),
    { deletes: "propagate" },
  );
}

/** Holds the next step of any process with this name. */
function hold(world: World, step: string) {
  return world.hold((name) => name.endsWith(` ${step} ${KEY}`));
}

describe("simulated scenarios", () => {
  test("our copy's event before the response of its write makes no original of it (invariants 5, 6)", async () => {
    const script = new Script(meshWithLeaf());
    const { world } = script;
    const answer = hold(world, "A.put:after");
    script.put("B", KEY);
    await world.until(answer.reached);
    await world.pass(5_000);
    answer.release();
    await script.calm();
    script.expect(script.shows(KEY), "A=w0 B=w0 C=w0 D=nothing");
    script.expect(world.witness.effects.length, 2);
    await script.ends();
  });

  test("a worker that dies between its copy and the record makes no original of it (invariant 6)", async () => {
    const script = new Script(meshWithLeaf());
    const { world } = script;
    const answer = hold(world, "A.put:after");
    script.put("B", KEY);
    await world.until(answer.reached);
    world.crash(0, MINUTE);
    await script.calm();
    script.expect(script.shows(KEY), "A=w0 B=w0 C=w0 D=nothing");
    await script.ends();
  });

  test("a clock ten minutes ahead wins nothing against who knew of its write (invariants 2, 3)", async () => {
    const script = new Script(twoWay({}, { skewMs: 10 * MINUTE }));
    script.put("B", KEY);
    await script.calm();
    script.put("A", KEY);
    await script.calm();
    script.expect(script.shows(KEY), "A=w1 B=w1");
    await script.ends();
  });

  test("a ledger lost after a late replica makes no original of it (invariant 6)", async () => {
    const script = new Script(meshWithLeaf());
    const { world } = script;
    const answer = hold(world, "A.put:after");
    script.put("B", KEY);
    await world.until(answer.reached);
    world.apply({ at: 0, kind: "lose-ledger" });
    await script.ends();
    script.expect(script.shows(KEY), "A=w0 B=w0 C=w0 D=nothing");
  });

  test("a paused worker's stale write into a store without conditions is mended (invariant 10)", async () => {
    const script = new Script(twoWay({}, UNCONDITIONAL), { processes: 2 });
    const { world } = script;
    const write = hold(world, "B.put:before");
    script.put("A", KEY);
    await world.until(write.reached);
    script.put("A", KEY);
    await world.pass(7 * HOUR);
    script.expect(script.shows(KEY), "A=w1 B=w1");
    write.release();
    await script.calm();
    await script.ends();
    script.expect(script.shows(KEY), "A=w1 B=w1");
  });

  test("a member of a mesh that comes back empty is filled again (invariant 4)", async () => {
    const script = new Script(mesh());
    script.put("A", KEY);
    script.put("B", "a/k/l");
    await script.calm();
    script.world.apply({ at: 0, kind: "recreate", member: "B" });
    await script.ends();
    script.expect([script.shows(KEY), script.shows("a/k/l")], ["A=w0 B=w0 C=w0", "A=w1 B=w1 C=w1"]);
  });

  for (const [name, traits] of [
    ["conditions", {}],
    ["versions and no conditions", { ...VERSIONED, ...UNCONDITIONAL }],
  ] as const) {
    test(`a user's write between HEAD and DELETE survives on a store with ${name} (invariants 3, 4)`, async () => {
      const script = new Script(twoWay(VERSIONED, traits));
      script.put("A", KEY);
      await script.calm();
      const remove = hold(script.world, "B.delete:before");
      script.delete("A", KEY);
      await script.world.until(remove.reached);
      script.put("B", KEY);
      remove.release();
      await script.ends();
      script.expect(script.shows(KEY), "A=w2 B=w2");
    });
  }

  test("deletes just under the gate pass for hours, a burst shuts it for good (invariant 4)", async () => {
    const topology = topologyOf("one-way", [memberOf("A"), memberOf("B")], { deletes: "propagate" });
    const script = new Script(topology, { deleteGate: { max: 5, percent: 100, windowMs: HOUR } });
    const left = () => script.world.storeNamed("B").keys().length;
    const keys = Array.from({ length: 40 }, (_, i) => `k${i + 10}`);
    for (const key of keys) script.put("A", key);
    await script.calm();
    for (const key of keys.slice(0, 20)) {
      script.delete("A", key);
      await script.world.pass(13 * MINUTE);
    }
    script.expect(left(), 20);
    for (const key of keys.slice(20, 30)) script.delete("A", key);
    await script.world.pass(10 * HOUR);
    const held = await script.world.state.ledger.list({ status: "HELD", limit: 100 });
    script.expect(
      [left(), held.entries.map(({ reason }) => reason)],
      [20 - (10 - held.entries.length), held.entries.map(() => "DeleteGate")],
    );
    script.expect(held.entries.length >= 5, true);
    script.delete("A", keys[39] as string);
    await script.calm();
    script.expect(left(), 20 - (10 - held.entries.length));
  });

  test("a copy in parts whose source changes ends with the source as it is now (invariants 2, 8)", async () => {
    const script = new Script(topologyOf("one-way", [memberOf("A"), memberOf("B")]));
    const { world } = script;
    const complete = hold(world, "B.complete:before");
    world.asClient(() => world.storeNamed("A").putInParts(KEY, ["first", "second"]));
    await world.until(complete.reached);
    script.put("A", KEY);
    world.crash(0, MINUTE);
    await script.ends();
    script.expect(world.storeNamed("B").current(KEY)?.content, world.storeNamed("A").current(KEY)?.content);
  });

  test("a held delete is not undone by the opposite direction (invariant 4)", async () => {
    const script = new Script(twoWay(), { deleteGate: { max: 0, percent: 0, windowMs: HOUR } });
    script.put("A", KEY);
    await script.calm();
    script.delete("A", KEY);
    await script.ends();
    script.expect(script.shows(KEY), "A=nothing B=w0");
    script.put("B", KEY);
    await script.ends();
    script.expect(script.shows(KEY), "A=w2 B=w2");
  });

  for (const [name, topology] of [
    ["one way", topologyOf("one-way", [memberOf("A", VERSIONED), memberOf("B")], { deletes: "propagate" })],
    ["two ways", twoWay()],
    ["two ways, versioned", twoWay(VERSIONED, VERSIONED)],
  ] as const) {
    test(`a delete that a person rejected is not made by a later comparison, ${name} (invariant 4)`, async () => {
      const script = new Script(topology, { deleteGate: { max: 1, percent: 100, windowMs: HOUR } });
      script.put("A", "b/k");
      script.put("A", KEY);
      await script.calm();
      script.delete("A", "b/k");
      await script.calm();
      script.delete("A", KEY);
      await script.calm();
      script.world.apply({ at: 0, kind: "reject" });
      await script.world.pass(5 * HOUR);
      script.expect([script.shows("b/k"), script.shows(KEY)], ["A=nothing B=nothing", "A=nothing B=w1"]);
      script.put("A", KEY);
      await script.ends();
      script.expect(script.shows(KEY), "A=w4 B=w4");
    });
  }

  test("an origin that dies after reaching one member is stood in for by that one (invariant 1)", async () => {
    const script = new Script(mesh());
    const { world } = script;
    let reads = 0;
    const second = world.hold((step) => step.endsWith(` A.get:before ${KEY}`) && ++reads === 2);
    script.put("A", KEY);
    await world.until(second.reached);
    world.apply({ at: 0, kind: "outage", member: "A", forMs: 24 * HOUR });
    second.release();
    await world.pass(30 * MINUTE);
    script.expect(script.shows(KEY), "A=w0 B=w0 C=w0");
    await script.ends();
  });

  test("a destination that is dead delays no other (invariant 7)", async () => {
    const topology = topologyOf(
      "fan-out",
      ["A", "B", "C"].map((name) => memberOf(name)),
    );
    const script = new Script(topology);
    script.world.apply({ at: 0, kind: "outage", member: "B", forMs: 10 * HOUR });
    for (let i = 0; i < 30; i++) script.put("A", `k${i}`);
    await script.world.pass(5_000);
    script.expect(script.world.storeNamed("C").keys().length, 30);
    await script.ends();
  });

  test("a quiet write makes as many copies as there are destinations (invariant 5)", async () => {
    for (const topology of [twoWay(), mesh(), meshWithLeaf()]) {
      const script = new Script(topology);
      await script.calm();
      script.put("A", KEY);
      await script.ends();
      script.expect(script.world.witness.effects.length, topology.members.length - 1);
    }
  });
});
