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

  for (const [word, mend] of [
    ["by the next comparison", () => {}],
    ["by a person's redrive", (world: World) => world.apply({ at: 0, kind: "redrive", scope: "all" })],
  ] as const)
    for (const [shape, members] of [
      ["one-way", ["A", "B"]],
      ["chain", ["A", "B", "C"]],
      ["two-way", ["A", "B"]],
    ] as const)
      test(`a delete whose retries ran out while its source was away is made ${word}, ${shape} (invariant 1)`, async () => {
        const script = new Script(
          topologyOf(
            shape,
            members.map((name) => memberOf(name)),
            { deletes: "propagate" },
          ),
        );
        const { world } = script;
        script.put("A", KEY);
        await script.calm();
        world.apply({ at: 0, kind: "outage", member: "A", forMs: 20 * MINUTE });
        script.delete("A", KEY);
        await world.pass(30 * MINUTE);
        mend(world);
        await script.ends();
        script.expect(script.shows(KEY), members.map((name) => `${name}=nothing`).join(" "));
      });

  test("failures are tried again one by one, by their rule, or all (invariant 1)", async () => {
    const topology = topologyOf(
      "fan-in",
      ["A", "B", "C"].map((name) => memberOf(name)),
    );
    const script = new Script(topology);
    const { world } = script;
    const keysAtC = () => world.storeNamed("C").keys().join(" ");
    const redrive = async (scope: "one" | "rule" | "all") => {
      world.apply({ at: 0, kind: "redrive", scope });
      await world.pass(5_000);
      return keysAtC();
    };
    await script.calm();
    world.apply({ at: 0, kind: "outage", member: "C", forMs: 20 * MINUTE });
    for (const key of ["a/1", "a/2", "a/3"]) script.put("A", key);
    for (const key of ["b/1", "b/2"]) script.put("B", key);
    await world.pass(30 * MINUTE);
    script.expect(keysAtC(), "");
    script.expect([await redrive("one"), await redrive("rule"), await redrive("all")], ["a/1", "a/1 a/2 a/3", "a/1 a/2 a/3 b/1 b/2"]);
    await script.ends();
  });

  test("deletes wait while a lost ledger is not put together, and are told anew then (invariant 4)", async () => {
    const operations = [{ at: 6 * HOUR, kind: "rebuild-ledger" }] as const;
    const script = new Script(topologyOf("one-way", [memberOf("A", VERSIONED), memberOf("B")], { deletes: "propagate" }), { operations });
    const { world } = script;
    script.put("A", KEY);
    script.put("A", "b/k");
    await script.calm();
    world.apply({ at: 0, kind: "lose-ledger" });
    await world.pass(MINUTE); // what both sides have is written down
    script.delete("A", KEY);
    await world.pass(5 * HOUR);
    script.expect([script.shows(KEY), script.shows("b/k")], ["A=nothing B=w0", "A=w1 B=w1"]);
    await world.pass(2 * HOUR);
    await script.ends();
    script.expect([script.shows(KEY), script.shows("b/k")], ["A=nothing B=nothing", "A=w1 B=w1"]);
  });

  test("a rebuild that dies leaves a ledger that nobody trusts, until another ends (invariant 4)", async () => {
    const script = new Script(topologyOf("one-way", [memberOf("A"), memberOf("B")], { deletes: "propagate" }));
    const { world } = script;
    script.put("A", KEY);
    await script.calm();
    const adopting = world.hold((step) => step.startsWith("rebuild1 B.list:after"));
    world.apply({ at: 0, kind: "rebuild-ledger" });
    await world.until(adopting.reached);
    world.endRebuild();
    await script.calm();
    script.delete("A", KEY);
    await world.pass(5 * HOUR);
    script.expect(script.shows(KEY), "A=nothing B=w0");
    world.apply({ at: 0, kind: "rebuild-ledger" });
    await script.ends();
    script.expect(script.shows(KEY), "A=nothing B=nothing");
  });

  for (const { name, lose } of [
    { name: "that was lost", lose: true },
    { name: "that was not", lose: false },
  ])
    test(`a ledger ${name} is put together without a copy or a conflict where a mesh agrees (invariants 5, 6)`, async () => {
      const script = new Script(meshWithLeaf());
      const { world } = script;
      script.put("B", KEY);
      script.put("A", "b/k");
      await script.calm();
      const { length } = world.witness.effects;
      if (lose) world.apply({ at: 0, kind: "lose-ledger" });
      world.apply({ at: 0, kind: "rebuild-ledger" });
      await world.pass(HOUR);
      script.expect(world.witness.effects.length, length);
      script.put("C", KEY);
      await script.ends();
      script.expect([script.shows(KEY), script.shows("b/k")], ["A=w2 B=w2 C=w2 D=nothing", "A=w1 B=w1 C=w1 D=w1"]);
    });

  for (const [name, topology] of [
    ["a leaf", topologyOf("one-way", [memberOf("A"), memberOf("B")])],
    ["a leaf, deletes replicated", topologyOf("one-way", [memberOf("A"), memberOf("B")], { deletes: "propagate" })],
    ["a leaf behind a mesh", meshWithLeaf()],
    ["each other", twoWay()],
  ] as const) {
    test(`a comparison during a copy in parts into ${name} moves no bytes a second time (invariant 5)`, async () => {
      const script = new Script(topology);
      const { world } = script;
      const complete = world.hold((step) => step.includes(`.complete:before ${KEY}`));
      world.asClient(() => world.storeNamed("A").putInParts(KEY, ["first", "second"]));
      await world.until(complete.reached);
      await world.pass(2 * HOUR);
      complete.release();
      await script.calm();
      script.expect(world.witness.effects.length, topology.members.length - 1);
      await script.ends();
      script.expect(world.witness.effects.length, topology.members.length - 1);
    });

    test(`what was written during a copy in parts into ${name} is copied though a comparison came between (invariants 1, 2)`, async () => {
      const script = new Script(topology);
      const { world } = script;
      const complete = world.hold((step) => step.includes(`.complete:before ${KEY}`));
      world.asClient(() => world.storeNamed("A").putInParts(KEY, ["first", "second"]));
      await world.until(complete.reached);
      world.asClient(() => world.storeNamed("A").putInParts(KEY, ["other", "second"]));
      await world.pass(2 * HOUR);
      complete.release();
      await script.ends();
      script.expect(new Set([...world.stores.values()].map((store) => store.current(KEY)?.content)), new Set(["othersecond"]));
    });
  }

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
