import type { ComparisonMeter } from "../ports/meter.ts";

/** Counts nothing. */
export const silentMeter: ComparisonMeter = { request() {}, completed() {}, failed() {}, storeUp() {}, verified() {}, drift() {} };
