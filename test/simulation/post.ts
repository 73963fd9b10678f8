import type { BucketEvent } from "../../src/domain/event.ts";
import type { Chance } from "./chance.ts";
import type { EngineProcess } from "./engine.ts";
import type { EventFault, Faults } from "./faults.ts";
import type { Actor, Scheduler } from "./scheduler.ts";
import { HOUR, SECOND } from "./times.ts";
import type { Member } from "./topology.ts";
import type { ClientWrite } from "./witness.ts";

/** An event on its way, and the client's write that it tells of, if it is one's. */
export interface Delivery {
  readonly member: Member;
  readonly event: BucketEvent;
  readonly write: ClientWrite | undefined;
  readonly id: string;
}

export interface Receiver {
  readonly actor: Actor;
  readonly engine: EngineProcess;
}

export interface PostParts {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly faults: Faults;
  readonly actor: Actor;
  readonly brisk: boolean;
  readonly note: (text: string) => void;
  /** Processes that are up. */
  readonly receivers: () => readonly Receiver[];
  /** A process acknowledged the event. */
  readonly onTold: (delivery: Delivery) => void;
  /** No process ever will. */
  readonly onLost: (delivery: Delivery) => void;
}

/** After this an event that nobody acknowledged is given to somebody else. */
const VISIBILITY_MS: number = 30 * SECOND;

/** Brings events from stores to processes: late, twice, out of order, or not at all. */
export class Post {
  readonly #parts: PostParts;
  #underWay = 0;

  constructor(parts: PostParts) {
    this.#parts = parts;
  }

  /** True where no event travels or waits for its acknowledgement. */
  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  announce(delivery: Delivery): void {
    const { faults, note } = this.#parts;
    const fault = faults.ofEvent(delivery.id);
    if (fault !== undefined) note(`  ${delivery.id}: ${fault}`);
    if (fault === "lost") this.#lose(delivery);
    else this.#send(delivery, this.#travelTime(delivery.id, fault));
    if (fault === "twice") this.#send(delivery, this.#travelTime(`${delivery.id} again`, undefined) * 10);
  }

  #travelTime(id: string, fault: EventFault | undefined): number {
    const { chance, brisk } = this.#parts;
    if (fault === "at-once") return 0;
    if (fault === "late") return chance.whole(`${id} late`, [10 * SECOND, HOUR]);
    return brisk ? 1 : chance.whole(`${id} travels`, [1, 700]);
  }

  #send(delivery: Delivery, afterMs: number): void {
    const { scheduler, actor, chance } = this.#parts;
    this.#underWay++;
    scheduler.at(actor, { at: scheduler.now + afterMs, order: chance.draw(delivery.id) }, () => {
      const ended = once(() => this.#underWay--);
      this.#hand(delivery, ended);
    });
  }

  /** Gives an event to a process that is up; what it does not acknowledge is given again, where the store's events are queued. */
  #hand(delivery: Delivery, ended: () => void): void {
    const { chance, note, receivers, onTold } = this.#parts;
    const { member, event, id } = delivery;
    const again = once(() => {
      if (member.events === "queued") this.#send(delivery, VISIBILITY_MS);
      else this.#lose(delivery);
      ended();
    });
    const up = receivers();
    if (up.length === 0) {
      again();
      return;
    }
    const receiver = chance.pick(`${id} to`, up);
    note(`  ${id} reaches ${receiver.actor.name}`);
    let isOpen = true;
    const close = (then: () => void) => () => {
      if (isOpen) then();
      isOpen = false;
    };
    const told = close(() => {
      onTold(delivery);
      ended();
    });
    receiver.engine.accept(member.bucket.store, { events: [event], ignored: 0, malformed: [] }).then(told, close(again));
    this.#watch(receiver.actor, () => isOpen, close(again));
  }

  /** A process that died holding an event never answers. */
  #watch(receiver: Actor, isOpen: () => boolean, close: () => void): void {
    const { scheduler, actor } = this.#parts;
    scheduler.at(actor, { at: scheduler.now + VISIBILITY_MS, order: 0 }, () => {
      if (!isOpen()) return;
      if (receiver.alive) this.#watch(receiver, isOpen, close);
      else close();
    });
  }

  #lose(delivery: Delivery): void {
    this.#parts.note(`  ${delivery.id} is lost`);
    this.#parts.onLost(delivery);
  }
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}
