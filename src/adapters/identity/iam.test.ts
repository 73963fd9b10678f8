import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { guardAgainstLeaks } from "../../../test/support/leak-guard.ts";
import { type CannedAnswer, type RecordedRequest, startRecorder } from "../../../test/support/recorder.ts";
import type { Identity } from "../../ports/identity.ts";
import { openIdentity } from "./iam.ts";

const TRUST = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "sts:AssumeRole" }] } as const;
const ROLE = { name: "lock", path: "/replicast/lock/", trust: TRUST, tags: { holder: "host 7", until: "x" }, description: "d" };
const ARN = "arn:aws:iam::111111111111:role/replicast/lock/lock";

function refused(status: number, code: string): CannedAnswer {
  return { status, body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>` };
}

function answered(action: string, result: string): CannedAnswer {
  return { body: `<${action}Response><${action}Result>${result}</${action}Result></${action}Response>` };
}

function actionOf({ body }: RecordedRequest): string {
  return new URLSearchParams(body).get("Action") ?? "";
}

async function withIdentity(answer: (request: RecordedRequest) => CannedAnswer, use: (identity: Identity) => Promise<void>): Promise<void> {
  await using recorder = await startRecorder(answer);
  const credentials = () => ({ accessKeyId: "a", secretAccessKey: "b" });
  const identity = await openIdentity({ endpoint: recorder.endpoint, region: "eu-west-1", credentials });
  try {
    await use(identity);
  } finally {
    identity.close();
  }
}

describe("roles", () => {
  guardAgainstLeaks();

  test("a right is allowed or denied where IAM says so, and unknown where it says nothing", async () => {
    const verdict = (decision: string, more = "") =>
      answered(
        "SimulatePrincipalPolicy",
        `<EvaluationResults><member><EvalDecision>${decision}</EvalDecision>${more}</member></EvaluationResults>`,
      );
    const missing = "<MissingContextValues><member>kms:ViaService</member></MissingContextValues>";
    const cases: readonly (readonly [CannedAnswer, string])[] = [
      [verdict("allowed"), "allowed"],
      [verdict("implicitDeny"), "denied"],
      [verdict("explicitDeny"), "denied"],
      // Such as a Deny unless the address or MFA is known, which no simulation tells.
      [verdict("explicitDeny", missing), "unknown"],
      [verdict("implicitDeny", missing), "unknown"],
      [answered("SimulatePrincipalPolicy", ""), "unknown"],
      [refused(404, "NoSuchEntity"), "denied"],
      [refused(403, "AccessDenied"), "unknown"],
      [refused(500, "InternalFailure"), "unknown"],
      [refused(501, "NotImplemented"), "unknown"],
    ];
    for (const [answer, wanted] of cases)
      await withIdentity(
        () => answer,
        async (identity) => assert.equal(await identity.simulate(ARN, "s3:ListBucket", "arn:aws:s3:::src"), wanted, answer.body),
      );
    await withIdentity(
      () => refused(400, "InvalidInput"),
      (identity) => assert.rejects(identity.simulate("nobody", "s3:ListBucket", "x"), { code: "InvalidRequest" }),
    );
  });

  test("policies of one statement may be written without a list", async () => {
    const [Statement] = TRUST.Statement;
    const document = encodeURIComponent(JSON.stringify({ Version: TRUST.Version, Statement }));
    const answers: Readonly<Record<string, string>> = {
      GetRole: `<Role><Path>/</Path><Arn>${ARN}</Arn><AssumeRolePolicyDocument>${document}</AssumeRolePolicyDocument></Role>`,
      ListRolePolicies: "<PolicyNames><member>p</member></PolicyNames>",
      GetRolePolicy: `<PolicyDocument>${document}</PolicyDocument>`,
      ListRoleTags: "<Tags/>",
    };
    const answer = (request: RecordedRequest) => answered(actionOf(request), answers[actionOf(request)] ?? "");
    await withIdentity(answer, async (identity) => {
      const role = await identity.role("lock");
      assert.deepEqual([role?.trust, role?.policies["p"]], [TRUST, TRUST]);
    });
  });

  test("a role that was made although the answer was lost is one's own; one of another holder is not", async () => {
    for (const [holder, wanted] of [
      ["host 7", ARN],
      ["host 8", false],
    ] as const) {
      let calls = 0;
      const member = (Key: string, Value: string) => `<member><Key>${Key}</Key><Value>${Value}</Value></member>`;
      const role = `<Role><Path>${ROLE.path}</Path><RoleName>lock</RoleName><Arn>${ARN}</Arn><AssumeRolePolicyDocument>${encodeURIComponent(JSON.stringify(TRUST))}</AssumeRolePolicyDocument></Role>`;
      const answers: Readonly<Record<string, () => CannedAnswer>> = {
        CreateRole: () => (calls++ === 0 ? refused(500, "InternalFailure") : refused(409, "EntityAlreadyExists")),
        GetRole: () => answered("GetRole", role),
        ListRolePolicies: () => answered("ListRolePolicies", "<PolicyNames/>"),
        ListRoleTags: () => answered("ListRoleTags", `<Tags>${member("until", "x")}${member("holder", holder)}</Tags>`),
      };
      await withIdentity(
        (request) => answers[actionOf(request)]?.() ?? refused(400, "InvalidAction"),
        async (identity) => assert.equal(await identity.createRole(ROLE), wanted),
      );
    }
  });

  test("a name that is taken at the first try is another's, whatever its tags", async () => {
    await withIdentity(
      () => refused(409, "EntityAlreadyExists"),
      async (identity) => assert.equal(await identity.createRole(ROLE), false),
    );
  });

  test("a role that goes while it is read is not there", async () => {
    const role = `<Role><RoleName>lock</RoleName><Arn>${ARN}</Arn><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument></Role>`;
    await withIdentity(
      (request) => (actionOf(request) === "GetRole" ? answered("GetRole", role) : refused(404, "NoSuchEntity")),
      async (identity) => assert.equal(await identity.role("lock"), undefined),
    );
  });

  test("a right that is missing is told by its name", async () => {
    await withIdentity(
      () => refused(403, "AccessDenied"),
      async (identity) => {
        await assert.rejects(identity.role("r"), { code: "AccessDenied", hint: "allow iam:GetRole" });
        await assert.rejects(identity.createRole(ROLE), { code: "AccessDenied", hint: "allow iam:CreateRole and iam:TagRole" });
        await assert.rejects(identity.deleteRole("r"), { code: "AccessDenied", hint: "allow iam:ListAttachedRolePolicies" });
      },
    );
  });
});
