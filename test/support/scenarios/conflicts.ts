import assert from "node:assert/strict";
import type { ConflictItem, ListDocument } from "../../../src/control-plane/contract.ts";
import { configureMesh, type MeshWorld } from "../mesh-world.ts";
import { askJson, assertRefused, expectExit, replicast, startDaemon } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import {
  ask,
  bodyOf,
  conflictsOf,
  makeBuckets,
  type NamedPlace,
  nextSecond,
  put,
  waitForBody,
  waitForRow,
  waitUntilCompared,
  waitUntilIdle,
} from "./convergence.ts";
import { meshOf } from "./meshes.ts";
import type { Scenario } from "./scenario.ts";

const PAIR = ["a:team", "b:team"];
const TRIO = [...PAIR, "c:team"];

async function nobodyKnows(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, PAIR);
  const [a, b] = team as [NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(PAIR)]);
  await put(a, "k", "of a");
  await put(b, "k", "of b");
  await put(a, "same", "same");
  await put(b, "same", "same");
  await using daemon = await startDaemon(world, world.port);
  await waitForRow(daemon, [a, "k"], { destination: "b:team", status: "HELD", reason: "Conflict" });
  await waitUntilCompared(daemon);
  const { items } = await askJson<ListDocument<ConflictItem>>(world, "conflicts", "list");
  assert.deepEqual(
    items.map(({ key, state, winner, sides }) => [key, state, winner, sides.map(({ bucket }) => bucket).sort()]),
    [["k", "OPEN", null, PAIR]],
  );
  assert.deepEqual([await bodyOf(a, "k"), await bodyOf(b, "k")], ["of a", "of b"], "nothing was overwritten");
  const id = items[0]?.id ?? "";
  assertRefused(await replicast(world, "conflicts", "resolve", id, "--winner", "c:team"), 1, /is no side of this conflict/);
  await expectExit(0, world, ["conflicts", "resolve", id, "--winner", "b:team"]);
  await waitForBody(team, "k", "of b");
  await waitUntilIdle(daemon);
  const [resolved] = await conflictsOf(daemon);
  assert.deepEqual([resolved?.state, resolved?.winner, resolved?.resolvedBy], ["RESOLVED", "b:team", "person"]);
  await put(a, "k", "goes on");
  await waitForBody(team, "k", "goes on");
  await daemon.stop();
}

interface Duel {
  readonly members: readonly string[];
  readonly settings?: object;
  /** What happens at the members while nothing is replicated; `next` waits until what follows is newer. */
  readonly duel: (team: readonly NamedPlace[], next: () => Promise<void>) => Promise<void>;
  readonly winner: string;
  readonly resolvedBy: ConflictItem["resolvedBy"];
  /** What all members hold in the end. */
  readonly body: string | undefined;
}

/** The members part from a common object while the rule is paused, so that no side knows of the other. */
function decided({ members, settings, duel, winner, resolvedBy, body }: Duel): Scenario<MeshWorld>["run"] {
  return async (world) => {
    const team = await makeBuckets(world, members);
    await configureMesh(world, [meshOf(members, { unsafe: ["unconditional-deletes"], ...settings })]);
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    await put(team[0] as NamedPlace, "k", "common");
    await waitForBody(team, "k", "common");
    await waitUntilIdle(daemon);
    await nextSecond();
    await post(daemon.url, "rules/team/pause");
    await duel(team, nextSecond);
    await post(daemon.url, "rules/team/resume");
    await waitForBody(team, "k", body);
    await waitUntilIdle(daemon);
    const conflicts = await conflictsOf(daemon);
    assert.ok(conflicts.length > 0, "the conflict is told");
    for (const conflict of conflicts) assert.deepEqual([conflict.key, conflict.state], ["k", "RESOLVED"]);
    assert.ok(
      conflicts.some((conflict) => conflict.winner === winner && conflict.resolvedBy === resolvedBy),
      JSON.stringify(conflicts),
    );
    await put(team[1] as NamedPlace, "k", "goes on");
    await waitForBody(team, "k", "goes on");
    await waitUntilIdle(daemon);
    await daemon.stop();
  };
}

async function post(url: string, path: string): Promise<void> {
  const answer = await fetch(`${url}/api/v1/${path}`, { method: "POST", headers: { connection: "close" } });
  assert.equal(answer.status, 200, await answer.text());
}

const writesAtBoth: Duel["duel"] = async (team, next) => {
  for (const place of team) {
    await put(place, "k", `of ${place.name}`);
    await next();
  }
};

const deleteThenWrite: Duel["duel"] = async ([a, b], next) => {
  await a?.client.delete(a.bucket, "k");
  await next();
  await put(b as NamedPlace, "k", "of b:team");
};

const writeThenDelete: Duel["duel"] = async ([a, b], next) => {
  await put(b as NamedPlace, "k", "of b:team");
  await next();
  await a?.client.delete(a.bucket, "k");
};

async function held(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, PAIR);
  const [a, b] = team as [NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(PAIR, { conflict: "hold" })]);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await post(daemon.url, "rules/team/pause");
  await writesAtBoth(team, async () => {});
  await post(daemon.url, "rules/team/resume");
  await waitForRow(daemon, [a, "k"], { destination: "b:team", status: "HELD", reason: "Conflict" });
  await waitForRow(daemon, [b, "k"], { destination: "a:team", status: "HELD", reason: "Conflict" });
  const { items } = await ask<ListDocument<ConflictItem>>(daemon, "conflicts");
  assert.equal(items.length, 1);
  assert.deepEqual([await bodyOf(a, "k"), await bodyOf(b, "k")], ["of a:team", "of b:team"]);
  await expectExit(0, world, ["conflicts", "resolve", items[0]?.id ?? "", "--winner", "a:team"]);
  await waitForBody(team, "k", "of a:team");
  await waitUntilIdle(daemon);
  await daemon.stop();
}

const RACES = 20;

async function races(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, TRIO);
  await configureMesh(world, [meshOf(TRIO)]);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  const keys = Array.from({ length: RACES }, (_, i) => `race ${i}`);
  await Promise.all(team.map(async (place) => Promise.all(keys.map((key) => put(place, key, `${key} of ${place.name}`)))));
  await waitUntilIdle(daemon);
  for (const key of keys) {
    const same = async () => new Set(await Promise.all(team.map((place) => bodyOf(place, key)))).size === 1;
    await waitFor(`${key} to be the same everywhere`, same, { timeoutMs: 90_000 });
    assert.match((await bodyOf(team[0] as NamedPlace, key)) ?? "", new RegExp(`^${key} of [abc]:team$`));
  }
  await waitUntilIdle(daemon);
  const conflicts = await conflictsOf(daemon);
  for (const { state, key } of conflicts) assert.equal(state, "RESOLVED", key);
  await daemon.stop();
}

export const conflictScenarios: readonly Scenario<MeshWorld>[] = [
  { title: "invariants 3 and 11: what differs and nobody knows of is held for a person, whose word makes all equal", run: nobodyKnows },
  {
    title: "invariant 11: of two writes that know nothing of each other the newest stays, and the conflict is told",
    run: decided({ members: PAIR, duel: writesAtBoth, winner: "b:team", resolvedBy: "newest", body: "of b:team" }),
  },
  {
    title: "invariant 11: of three writes that know nothing of each other the newest stays at all members",
    run: decided({ members: TRIO, duel: writesAtBoth, winner: "c:team", resolvedBy: "newest", body: "of c:team" }),
  },
  {
    title: "invariant 11: with conflict: priority the first of the list stays, however old",
    run: decided({
      members: PAIR,
      settings: { conflict: "priority" },
      duel: writesAtBoth,
      winner: "a:team",
      resolvedBy: "priority",
      body: "of a:team",
    }),
  },
  {
    title: "invariant 11: a write that is newer than a delete elsewhere stays",
    run: decided({ members: PAIR, duel: deleteThenWrite, winner: "b:team", resolvedBy: "newest", body: "of b:team" }),
  },
  {
    title: "invariant 11: a delete that is newer than a write elsewhere stays",
    run: decided({ members: PAIR, duel: writeThenDelete, winner: "a:team", resolvedBy: "newest", body: undefined }),
  },
  { title: "invariant 11: with conflict: hold nothing is overwritten until a person says", run: held },
  { title: "invariant 11: of writes at all members at once one is left, the same everywhere", run: races },
];
