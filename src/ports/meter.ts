/** Objects by kind of drift. Kinds that were not looked for are left out. */
export type Drift = Readonly<Partial<Record<"MISSING" | "DIFFERENT" | "EXTRA", number>>>;

/** What the planes count. Names and labels of the exported metrics are the adapter's business. */
export interface Meter {
  /** One request to a store was answered (`status` 0: it was not). */
  request(store: string, operation: string, status: number): void;
  completed(rule: string, destination: string, sample: { readonly bytes: number; readonly latencyMs: number | null }): void;
  failed(rule: string, destination: string): void;
  storeUp(store: string, up: boolean): void;
  /** A complete comparison by listing of that destination has ended; what differed has become tasks. */
  verified(rule: string, destination: string, at: number): void;
}

/** What comparisons count besides. */
export interface ComparisonMeter extends Meter {
  /** What the last complete comparison by listing of that destination found to differ. */
  drift(rule: string, destination: string, objects: Drift): void;
}
