import { ReplicationError } from "../domain/error.ts";
import type { PolicyDocument } from "../domain/policy-document.ts";
import type { EncryptionKey, EncryptionKeys } from "../ports/encryption-keys.ts";
import type { Identity, NewRole, Role } from "../ports/identity.ts";
import type { BucketFacts, ReplicationConfiguration, ReplicationDocument, ReplicationRule } from "../ports/replication-configuration.ts";

export interface MemoryBucket {
  readonly account: string;
  facts: BucketFacts;
  document: ReplicationDocument | undefined;
  policy: PolicyDocument | undefined;
  keys: readonly string[];
  /** What is there already, by key. */
  objects: Readonly<Record<string, { readonly bytes: number }>>;
}

/** What tests do to a call that changes something: before it has taken effect, and after. */
export interface MemoryAwsFaults {
  readonly before?: ((call: string) => void | Promise<void>) | undefined;
  readonly after?: ((call: string) => void | Promise<void>) | undefined;
}

/** The parts of AWS that provisioning talks to, in memory: buckets, roles and keys of several accounts. Knows nobody's rights but accounts'. */
export class MemoryAws {
  readonly buckets: Map<string, MemoryBucket> = new Map();
  /** By account and name. */
  readonly roles: Map<string, Role> = new Map();
  readonly keys: Map<string, { readonly key: EncryptionKey; policy: PolicyDocument }> = new Map();
  /** Every call that changed something, in order. */
  readonly mutations: string[] = [];
  faults: MemoryAwsFaults = {};
  /** Whose the credentials of an account are. */
  callerArn: (account: string) => string = (account) => `arn:aws:iam::${account}:user/operator`;
  /** What IAM answers to simulations. */
  simulated: (principal: string, action: string) => "allowed" | "denied" | "unknown" = () => "allowed";

  addBucket(name: string, options: Partial<BucketFacts> & Partial<Pick<MemoryBucket, "account" | "keys" | "objects">> = {}): MemoryBucket {
    const { account = "111111111111", keys = [], objects = {}, ...facts } = options;
    const bucket = { account, facts: { ...PLAIN_BUCKET, ...facts }, document: undefined, policy: undefined, keys, objects };
    this.buckets.set(name, bucket);
    return bucket;
  }

  addRole(account: string, role: Pick<Role, "name"> & Partial<Role>): Role {
    const path = role.path ?? "/";
    const arn = `arn:aws:iam::${account}:role${path}${role.name}`;
    const whole: Role = { path, arn, trust: { Version: "2012-10-17", Statement: [] }, policies: {}, tags: {}, ...role };
    this.roles.set(`${account} ${role.name}`, whole);
    return whole;
  }

  /** Everything there is, for comparing: without what only looks different. */
  snapshot(): unknown {
    return {
      buckets: [...this.buckets].sort(byName),
      roles: [...this.roles].sort(byName),
      keys: [...this.keys].sort(byName),
    };
  }

  configuration(name: string, caller: string, region: string): ReplicationConfiguration {
    const own = (): MemoryBucket => {
      const bucket = this.buckets.get(name);
      if (bucket === undefined) throw new ReplicationError("NoSuchBucket", `there is no ${name}`);
      if (bucket.account !== caller) throw new ReplicationError("AccessDenied", `${caller} may not look at ${name}`);
      return bucket;
    };
    return {
      facts: async () => (this.buckets.has(name) ? own().facts : undefined),
      create: ({ objectLock }) =>
        this.#change(`CreateBucket ${name}`, () => {
          if (this.buckets.has(name)) throw new ReplicationError("InvalidRequest", `${name} is there already`);
          this.addBucket(name, { account: caller, region, objectLock });
        }),
      enableVersioning: () =>
        this.#change(`PutBucketVersioning ${name}`, () => {
          own().facts = { ...own().facts, versioning: "Enabled" };
        }),
      replication: async () => structuredClone(own().document),
      putReplication: (document) =>
        this.#change(`PutBucketReplication ${name}`, () => {
          this.#checkReplication(own(), document);
          own().document = document.rules.length === 0 ? undefined : stored(document);
        }),
      policy: async () => structuredClone(own().policy),
      putPolicy: (policy) =>
        this.#change(`PutBucketPolicy ${name}`, () => {
          own().policy = policy === undefined || policy.Statement.length === 0 ? undefined : structuredClone(policy);
        }),
      count: async (prefix) => {
        const found = Object.entries(own().objects).filter(([key]) => key.startsWith(prefix));
        return { objects: found.length, bytes: found.reduce((sum, [, { bytes }]) => sum + bytes, 0), isWhole: true };
      },
      sampledKeys: async () => own().keys,
      close: () => {},
    };
  }

  identity(account: string): Identity {
    const at = (name: string) => `${account} ${name}`;
    const own = (name: string): Role => {
      const role = this.roles.get(at(name));
      if (role === undefined) throw new ReplicationError("InvalidRequest", `there is no role ${name}`);
      return role;
    };
    const update = (name: string, change: (role: Role) => Partial<Role>) => {
      this.roles.set(at(name), { ...own(name), ...structuredClone(change(own(name))) });
    };
    return {
      caller: async () => ({ account, arn: this.callerArn(account) }),
      role: async (name) => structuredClone(this.roles.get(at(name))),
      roles: async (path) =>
        [...this.roles]
          .filter(([key, role]) => key.startsWith(`${account} `) && role.path === path)
          .map(([, role]) => structuredClone(role)),
      createRole: async (role) => {
        let arn: string | false = false;
        if (this.roles.has(at(role.name))) return arn;
        await this.#change(`CreateRole ${role.name}`, () => {
          // Whoever was first while the call was on its way has it.
          if (!this.roles.has(at(role.name))) arn = this.#create(account, role);
        });
        return arn;
      },
      putTrust: (name, trust) => this.#change(`UpdateAssumeRolePolicy ${name}`, () => update(name, () => ({ trust }))),
      tagRole: (name, tags) => this.#change(`TagRole ${name}`, () => update(name, (role) => ({ tags: { ...role.tags, ...tags } }))),
      putRolePolicy: (name, policyName, policy) =>
        this.#change(`PutRolePolicy ${name}`, () =>
          update(name, ({ policies: { [policyName]: _, ...others } }) => ({
            policies: policy === undefined ? others : { ...others, [policyName]: policy },
          })),
        ),
      deleteRole: async (name) => {
        if (this.roles.has(at(name))) await this.#change(`DeleteRole ${name}`, () => void this.roles.delete(at(name)));
      },
      simulate: async (principal, action) => this.simulated(principal, action),
      close: () => {},
    };
  }

  encryptionKeys(region: string): EncryptionKeys {
    const find = (id: string) =>
      [...this.keys.values()].find(({ key }) => key.arn === id || (key.arn.endsWith(`/${id}`) && key.region === region));
    const known = (arn: string) => {
      const found = find(arn);
      if (found === undefined) throw new ReplicationError("InvalidRequest", `there is no key ${arn}`);
      return found;
    };
    return {
      key: async (id) => find(id)?.key,
      policy: async (arn) => structuredClone(known(arn).policy),
      putPolicy: (arn, policy) =>
        this.#change(`PutKeyPolicy ${arn}`, () => {
          known(arn).policy = structuredClone(policy);
        }),
      close: () => {},
    };
  }

  #create(account: string, { name, path, trust, tags, permissionsBoundary }: NewRole): string {
    return this.addRole(account, structuredClone({ name, path, trust, tags, permissionsBoundary })).arn;
  }

  /** S3 looks at versioning and the role's being there, and at nothing that the role may do. */
  #checkReplication({ facts }: MemoryBucket, { role, rules }: ReplicationDocument): void {
    if (rules.length === 0) return;
    if (facts.versioning !== "Enabled") throw new ReplicationError("InvalidRequest", "versioning must be enabled at the source");
    if (![...this.roles.values()].some(({ arn }) => arn === role)) throw new ReplicationError("InvalidRequest", `there is no role ${role}`);
    for (const { destination } of rules) {
      const there = this.buckets.get(destination.bucketArn.split(":::")[1] ?? "");
      if (there?.facts.versioning !== "Enabled") throw new ReplicationError("InvalidRequest", `${destination.bucketArn} keeps no versions`);
    }
    const priorities = rules.map(({ priority }) => priority);
    if (new Set(priorities).size < rules.length) throw new ReplicationError("InvalidRequest", "two rules have one priority");
  }

  async #change(call: string, change: () => void): Promise<void> {
    await this.faults.before?.(call);
    change();
    this.mutations.push(call);
    await this.faults.after?.(call);
  }
}

const PLAIN_BUCKET: BucketFacts = {
  region: "us-east-1",
  versioning: "Unversioned",
  objectLock: false,
  requesterPays: false,
  ownerEnforced: true,
  defaultKeyId: null,
};

/** As S3 gives it back: every rule has an id and can be put back as it came. */
function stored({ role, rules }: ReplicationDocument): ReplicationDocument {
  const withRaw = (rule: ReplicationRule, index: number): ReplicationRule => {
    const { raw, ...fields } = rule;
    const id = fields.id === "" ? `made-up-by-the-store-number-${index}` : fields.id;
    return { ...structuredClone(fields), id, raw: raw ?? { ...structuredClone(fields), id } };
  };
  return { role, rules: rules.map(withRaw) };
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
