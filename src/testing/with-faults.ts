import type { ObjectGuards } from "../ports/object-guards.ts";
import type { ObjectStore } from "../ports/object-store.ts";

export type ObjectStoreCall = Exclude<keyof ObjectStore, "bucket" | "guards"> | keyof ObjectGuards;

/** Decides, before each call goes through, whether it fails instead: returns the error to throw. */
export type FaultPlan = (call: ObjectStoreCall, subject: string) => Error | undefined;

/** Counts the calls of a store, by name, and fails those that the plan says. */
export function withFaults(store: ObjectStore, plan: FaultPlan = () => undefined): ObjectStore & { readonly calls: ObjectStoreCall[] } {
  const calls: ObjectStoreCall[] = [];
  const step = async <T>(call: ObjectStoreCall, subject: string, go: () => Promise<T>): Promise<T> => {
    calls.push(call);
    const fault = plan(call, subject);
    if (fault !== undefined) throw fault;
    return go();
  };
  const { guards } = store;
  return {
    bucket: store.bucket,
    guards: guards && {
      acl: (key, options) => step("acl", key, () => guards.acl(key, options)),
      putAcl: (key, acl, options) => step("putAcl", key, () => guards.putAcl(key, acl, options)),
      putLock: (key, lock, options) => step("putLock", key, () => guards.putLock(key, lock, options)),
      restore: (key, restore, options) => step("restore", key, () => guards.restore(key, restore, options)),
    },
    calls,
    list: (options) => step("list", options?.prefix ?? "", () => store.list(options)),
    head: (key, options) => step("head", key, () => store.head(key, options)),
    get: (key, options) => step("get", key, () => store.get(key, options)),
    read: (key, range, signal) => step("read", key, () => store.read(key, range, signal)),
    tags: (key, options) => step("tags", key, () => store.tags(key, options)),
    put: (key, body, options) => step("put", key, () => store.put(key, body, options)),
    delete: (key, options) => step("delete", key, () => store.delete(key, options)),
    observe: (key, options) => step("observe", key, () => store.observe(key, options)),
    listVersions: (options) => step("listVersions", options?.prefix ?? "", () => store.listVersions(options)),
    putTags: (key, tags, options) => step("putTags", key, () => store.putTags(key, tags, options)),
    describe: (signal) => step("describe", "", () => store.describe(signal)),
    versioning: (signal) => step("versioning", "", () => store.versioning(signal)),
    capabilities: (signal) => step("capabilities", "", () => store.capabilities(signal)),
  };
}
