import type { Output } from "./output.ts";

/** How far a command has come. What is not known is left out. */
export interface ProgressState {
  readonly done: number;
  readonly total?: number | undefined;
  readonly bytes?: number | undefined;
  readonly totalBytes?: number | undefined;
}

export interface ProgressOptions {
  readonly output: Output;
  /** What is counted. @defaultValue "objects" */
  readonly noun?: string | undefined;
  /** Milliseconds that only go forward. @defaultValue performance.now */
  readonly now?: (() => number) | undefined;
}

/** Fast enough to look alive, slow enough to be read. */
const REDRAW_MS = 200;
const LINE_MS = 10_000;
/** Rates are of the last few seconds: an average since the start hides a stall. */
const WINDOW_MS = 5_000;

interface Sample {
  readonly at: number;
  readonly state: ProgressState;
}

/** Shows how far a command has come: redrawn on a terminal's stderr, a line per 10 s elsewhere, nothing with `-q`. */
export class Progress {
  readonly #output: Output;
  readonly #noun: string;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #samples: Sample[];
  #shownAt: number;

  constructor(options: ProgressOptions) {
    this.#output = options.output;
    this.#noun = options.noun ?? "objects";
    this.#now = options.now ?? (() => performance.now());
    this.#shownAt = this.#now();
    this.#samples = [{ at: this.#shownAt, state: { done: 0 } }];
    this.#timer = setInterval(() => this.#show(), REDRAW_MS);
    this.#timer.unref();
  }

  /** Tells the present totals; shows them where it is time. */
  update(state: ProgressState): void {
    const at = this.#now();
    const samples = this.#samples;
    const last = samples.at(-1);
    const replaces = last !== undefined && samples.length > 1 && at - last.at < REDRAW_MS / 2;
    if (replaces) samples.pop();
    while (samples.length > 1 && at - (samples[0] as Sample).at > WINDOW_MS) samples.shift();
    samples.push({ at: replaces ? last.at : at, state });
    this.#show();
  }

  /** Takes the line away. Nothing is shown afterwards. */
  stop(): void {
    clearInterval(this.#timer);
    this.#output.status("");
  }

  #show(): void {
    const now = this.#now();
    const period = this.#output.drawsStatus ? REDRAW_MS : LINE_MS;
    if (now - this.#shownAt < period) return;
    this.#shownAt = now;
    const text = describe(this.#samples, { now, noun: this.#noun });
    if (this.#output.drawsStatus) this.#output.status(text);
    else this.#output.info(text);
  }
}

function describe(samples: readonly Sample[], { now, noun }: { readonly now: number; readonly noun: string }): string {
  const first = samples[0];
  const state: ProgressState = samples.at(-1)?.state ?? { done: 0 };
  const seconds = Math.max((now - (first?.at ?? now)) / 1000, 0.001);
  const rate = (state.done - (first?.state.done ?? 0)) / seconds;
  const bytesRate = ((state.bytes ?? 0) - (first?.state.bytes ?? 0)) / seconds;
  const total = state.total === undefined ? "" : `/${state.total}`;
  const bytes = state.bytes === undefined ? [] : [formatBytes(state.bytes), `${formatBytes(bytesRate)}/s`];
  const parts = [`${state.done}${total} ${noun}`, `${rate.toFixed(rate < 10 ? 1 : 0)}/s`, ...bytes];
  const eta = secondsLeft(state, rate, bytesRate);
  return (eta === undefined ? parts : [...parts, `ETA ${formatSeconds(eta)}`]).join("  ");
}

function secondsLeft(state: ProgressState, rate: number, bytesRate: number): number | undefined {
  if (state.totalBytes !== undefined && bytesRate > 0) return Math.max(0, (state.totalBytes - (state.bytes ?? 0)) / bytesRate);
  if (state.total !== undefined && rate > 0) return Math.max(0, (state.total - state.done) / rate);
  return undefined;
}

/** Prints bytes for people: `512 B`, `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
}
