/** What the planes count. Names and labels of the exported metrics are the adapter's business. */
export interface Meter {
  /** One request to a store was answered (`status` 0: it was not). */
  request(store: string, operation: string, status: number): void;
  completed(rule: string, destination: string, sample: { readonly bytes: number; readonly latencyMs: number | null }): void;
  failed(rule: string, destination: string): void;
  storeUp(store: string, up: boolean): void;
  verified(rule: string, destination: string, at: number): void;
}
