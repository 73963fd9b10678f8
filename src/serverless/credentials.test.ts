import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isReplicationError } from "../domain/error.ts";
import { frameworkCredentials } from "./credentials.ts";
import type { AwsProvider } from "./framework.ts";

const PAIR = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret", sessionToken: "token" };

function provider(ways: Pick<AwsProvider, "getCredentials" | "getAwsSdkV3Config">): AwsProvider {
  return { getRegion: () => "eu-west-1", getStage: () => "dev", ...ways };
}

async function pairFrom(ways: Pick<AwsProvider, "getCredentials" | "getAwsSdkV3Config">) {
  const credentials = await frameworkCredentials(provider(ways));
  return credentials?.();
}

/** As osls 4 has it in place of `getCredentials`. */
function removed(): never {
  throw new Error("provider.getCredentials() is no longer available");
}

/** Credentials of the AWS SDK 2, empty until they are asked for. */
class LateCredentials {
  accessKeyId: string | undefined;
  secretAccessKey: string | undefined;
  sessionToken: string | null = null;
  asked = 0;

  async getPromise(): Promise<void> {
    this.asked++;
    Object.assign(this, { ...PAIR, accessKeyId: `AKID${this.asked}`, sessionToken: null });
  }
}

describe("the framework's credentials", () => {
  it("of osls 4: a function among the settings of a client, asked each time", async () => {
    let asked = 0;
    const credentials = async () => ({ ...PAIR, accessKeyId: `AKID${++asked}` });
    const found = await frameworkCredentials(
      provider({ getAwsSdkV3Config: async () => ({ region: "eu-west-1", credentials }), getCredentials: removed }),
    );
    assert.equal((await found?.())?.accessKeyId, "AKID2", "the first was to see whether there are any");
    assert.equal((await found?.())?.accessKeyId, "AKID3");
  });

  it("of osls 4 with credentials written out", async () => {
    assert.deepEqual(await pairFrom({ getAwsSdkV3Config: async () => ({ credentials: PAIR }), getCredentials: removed }), PAIR);
  });

  it("of Serverless 3: an object of the AWS SDK 2, filled before each use", async () => {
    const credentials = new LateCredentials();
    const found = await frameworkCredentials(provider({ getCredentials: () => ({ credentials, signatureVersion: "v4" }) }));
    assert.deepEqual(await found?.(), { accessKeyId: "AKID2", secretAccessKey: "secret", sessionToken: undefined });
    assert.equal(credentials.asked, 2);
  });

  it("of Serverless 3 where the SDK is to find them: none, so that its own chain is asked", async () => {
    assert.equal(await frameworkCredentials(provider({ getCredentials: () => ({}) })), undefined);
  });

  it("of Serverless 4: a pair, asked for each time so that it is never an old one", async () => {
    let asked = 0;
    const getCredentials = async () => ({ ...PAIR, accessKeyId: `AKID${++asked}`, accountId: "123456789012" });
    const found = await frameworkCredentials(provider({ getCredentials }));
    const [one, two] = [await found?.(), await found?.()];
    assert.deepEqual(Object.keys(one ?? {}).sort(), ["accessKeyId", "secretAccessKey", "sessionToken"]);
    assert.notEqual(one?.accessKeyId, two?.accessKeyId);
  });

  it("are asked for as a method: providers use `this`", async () => {
    const own = {
      pair: PAIR,
      getCredentials(this: { readonly pair: unknown } | undefined) {
        return this?.pair;
      },
    };
    assert.deepEqual(await pairFrom(own), PAIR);
  });

  it("come the other way where the first way has none", async () => {
    assert.deepEqual(
      await pairFrom({ getAwsSdkV3Config: async () => ({ credentials: {} }), getCredentials: () => ({ credentials: PAIR }) }),
      PAIR,
    );
    const failing = { getAwsSdkV3Config: () => Promise.reject(new Error("no profile")), getCredentials: () => ({ credentials: PAIR }) };
    assert.deepEqual(await pairFrom(failing), PAIR);
  });

  it("are an error that names all that was tried", async () => {
    const config = async () => ({ credentials: () => Promise.reject(new Error("the session has expired")) });
    await assert.rejects(frameworkCredentials(provider({ getAwsSdkV3Config: config, getCredentials: removed })), (error) => {
      assert.ok(isReplicationError(error) && error.code === "InvalidAccessKeyId");
      assert.match(error.message, /getAwsSdkV3Config\(\): the session has expired; provider\.getCredentials\(\): .*no longer available/);
      return true;
    });
    await assert.rejects(frameworkCredentials(provider({})), /getAwsSdkV3Config is not there; provider\.getCredentials is not there/);
  });
});
