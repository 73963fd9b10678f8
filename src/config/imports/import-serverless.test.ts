import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isReplicationError } from "../../domain/error.ts";
import { loadConfig } from "../load.ts";
import type { Environment, ResolvedConfig } from "../resolved-config.ts";
import { importServerless } from "./import-serverless.ts";
import { importedText, importNotes } from "./imported-config.ts";
import type { ServerlessFileOptions } from "./serverless-file.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-import-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

function importOf(text: string, options: Partial<ServerlessFileOptions> = {}) {
  return importServerless(text, { file: "serverless.yml", env: {}, ...options });
}

/** The config as it reads when it was written and is loaded again. */
function loaded(text: string, options: Partial<ServerlessFileOptions> = {}, env: Environment = {}): ResolvedConfig {
  const configPath = join(directory, "replicast.yaml");
  writeFileSync(configPath, importedText(importOf(text, options)));
  return loadConfig({ configPath, env });
}

function pairsIn(config: ResolvedConfig): readonly string[] {
  return config.rules
    .flatMap(({ id, source, destinations }) => destinations.map(({ bucket }) => `${id}: ${source.id} → ${bucket.id}`))
    .sort();
}

function problemsOf(text: string, options: Partial<ServerlessFileOptions> = {}): string {
  let said = "";
  assert.throws(
    () => importOf(text, options),
    (error) => {
      if (!isReplicationError(error) || error.code !== "ConfigInvalid") return false;
      said = `${error.message}\n${error.hint}`;
      return true;
    },
  );
  return said;
}

const LEGACY = `service: shop
provider:
  name: aws
  stage: \${opt:stage, 'dev'}
  region: \${opt:region, self:custom.regions.\${self:provider.stage}, "eu-west-1"}
custom:
  prefix: \${self:service}-\${sls:stage}
  regions: { prod: eu-central-1 }
  s3ReplicationPlugin:
    withReplicationTimeControl: true
    replicationRolePrefixOverride: \${self:custom.prefix}
    bidirectionalReplicationBuckets:
      - eu-west-1: \${self:custom.prefix}-a
      - us-east-1: \${self:custom.prefix}-b
    singleDirectionReplication:
      - sourceBucket: { eu-west-1: "\${env:LOGS, 'logs'}" }
        targetBuckets: [ { us-west-2: logs-copy } ]
resources:
  Outputs: { Name: { Value: !Ref Bucket } }
`;

describe("import serverless", () => {
  it("a config that validates says what serverless-s3-replication-plugin did", () => {
    const config = loaded(LEGACY);
    assert.equal(config.name, "shop-dev");
    assert.deepEqual(pairsIn(config), [
      "bidirectional: s3://aws/eu-west-1/shop-dev-a → s3://aws/us-east-1/shop-dev-b",
      "bidirectional: s3://aws/us-east-1/shop-dev-b → s3://aws/eu-west-1/shop-dev-a",
      "from-logs: s3://aws/eu-west-1/logs → s3://aws/us-west-2/logs-copy",
    ]);
    assert.equal(config.iam.rolePrefix, "shop-dev");
    for (const { deletes, destinations } of config.rules) {
      assert.equal(deletes, "markers");
      assert.deepEqual(
        destinations.map(({ existingObjects, replicationTime }) => [existingObjects, replicationTime]),
        [[false, true]],
      );
    }
    const text = importedText(importOf(LEGACY));
    assert.match(text, /^# Made by replicast import serverless of serverless\.yml: service shop, stage dev, region eu-west-1\./);
    assert.match(text, /# replicast apply takes the place of the rules that serverless-s3-replication-plugin left/);
  });

  it("stage, region and environment are those that are given", () => {
    const config = loaded(LEGACY, { stage: "prod", env: { LOGS: "prod-logs" } });
    assert.equal(config.name, "shop-prod");
    assert.ok(pairsIn(config).includes("from-prod-logs: s3://aws/eu-west-1/prod-logs → s3://aws/us-west-2/logs-copy"));
    assert.match(importNotes(importOf(LEGACY, { stage: "prod" })).join(), /region eu-central-1/);
    assert.match(importNotes(importOf(LEGACY, { region: "us-east-2" })).join(), /region us-east-2/);
  });

  it("custom.replicast is taken over as it is, where the service deploys to, and wins over the other list", () => {
    const text = `service: { name: shop }
params: { default: { copy: photos-copy }, prod: { copy: photos-prod } }
provider: { region: eu-west-1 }
custom:
  replicast:
    name: own
    allowMissing: true
    stores:
      minio: { endpoint: "http://127.0.0.1:9000", credentials: { accessKeyId: "\${env:KEY}", secretAccessKey: "\${env:SECRET}" } }
    rules:
      - { id: photos, source: photos, destinations: [ "\${param:copy}@us-east-1" ], deletes: markers }
      - { id: out, source: "minio:docs", destinations: [ docs ] }
  s3ReplicationPlugin:
    singleDirectionReplication:
      - { sourceBucket: photos, targetBuckets: [ { us-east-1: photos-copy }, { us-west-1: photos-west } ] }
`;
    const env = { KEY: "key", SECRET: "hunter22" };
    const written = importedText(importOf(text, { env }));
    assert.doesNotMatch(written, /hunter22|\n *allowMissing:/);
    assert.match(written, /# photos → photos-copy is in both lists/);
    const config = loaded(text, { env }, env);
    assert.equal(config.name, "own");
    assert.deepEqual(pairsIn(config), [
      "from-photos: s3://aws/eu-west-1/photos → s3://aws/us-west-1/photos-west",
      "out: s3://127.0.0.1:9000/docs → s3://aws/eu-west-1/docs",
      "photos: s3://aws/eu-west-1/photos → s3://aws/us-east-1/photos-copy",
    ]);
  });

  it("a serverless.json, anchors and merge keys are read too", () => {
    const list = { singleDirectionReplication: [{ sourceBucket: "a-1", targetBuckets: ["b-1"] }] };
    const json = JSON.stringify({ service: "s", provider: { region: "eu-west-1" }, custom: { s3ReplicationPlugin: list } });
    assert.deepEqual(pairsIn(loaded(json)), ["from-a-1: s3://aws/eu-west-1/a-1 → s3://aws/eu-west-1/b-1"]);
    const yaml = `x: &rest { withReplicationTimeControl: true }
service: s
custom:
  s3ReplicationPlugin:
    <<: *rest
    singleDirectionReplication: [ { sourceBucket: a-1, targetBuckets: [ b-1 ] } ]
`;
    assert.equal(loaded(yaml).rules[0]?.destinations[0]?.replicationTime, true);
  });

  it("what only the framework can replace is named with its line, all of it at once", () => {
    const text = `service: shop
custom:
  s3ReplicationPlugin:
    bidirectionalReplicationBuckets:
      - eu-west-1: \${ssm:/bucket, 'x'}
      - us-east-1: !Ref Bucket
      - us-east-2: { "Fn::Sub": "b" }
      - us-west-1: \${env:NOWHERE}
      - us-west-2: \${self:custom.circle}
      - eu-west-2: \${opt:stage}
  circle: \${self:custom.circle}
`;
    const said = problemsOf(text);
    for (const [line, message] of [
      [5, "\\$\\{ssm:/bucket\\} is replaced by the framework alone"],
      [6, "!Ref is known to CloudFormation alone"],
      [7, "Fn::Sub is known to CloudFormation alone"],
      [8, "\\$\\{env:NOWHERE\\} has no value\n +set NOWHERE"],
      [11, "leads to itself"],
      [10, "\\$\\{opt:stage\\} has no value\n +give it: --stage"],
    ])
      assert.match(said, new RegExp(`serverless\\.yml:${line}:\\d+: \\S+: .*${message}`), said);
  });

  it("a name that CloudFormation alone knows is none, also where an anchor or a merge key stands between", () => {
    const file = (list: string) => `service: shop
custom:
  one: &one { eu-west-1: !Ref Bucket }
  two: &two { sourceBucket: { eu-west-1: !Sub "x-\${AWS::Region}" }, targetBuckets: [ { us-east-1: logs-copy } ] }
  s3ReplicationPlugin:
    ${list}
`;
    for (const list of [
      "bidirectionalReplicationBuckets: [ *one, { us-east-1: other } ]",
      "singleDirectionReplication: [ *two ]",
      "singleDirectionReplication: [ { <<: *two } ]",
    ])
      assert.match(problemsOf(file(list)), /!(?:Ref|Sub) is known to CloudFormation alone/, list);
  });

  it("parameters of a stage are read where Serverless 4 has them too", () => {
    const file = `service: shop
stages:
  default: { params: { bucket: shop-default } }
  live: { params: { bucket: shop-live } }
custom:
  s3ReplicationPlugin:
    bidirectionalReplicationBuckets: [ { eu-west-1: "\${param:bucket}" }, { us-east-1: other } ]
`;
    assert.match(pairsIn(loaded(file, { stage: "live" })).join(), /shop-live/);
    assert.match(pairsIn(loaded(file)).join(), /shop-default/);
  });

  it("a file that says nothing of replication, or is none of the framework's, is refused", () => {
    assert.match(problemsOf("service: shop\ncustom: { other: 1 }\n"), /has neither custom\.replicast nor custom\.s3ReplicationPlugin/);
    assert.match(problemsOf("custom: { replicast: {} }\n"), /service: is missing/);
    assert.match(problemsOf("module.exports = {\n"), /serverless print/);
    assert.match(
      problemsOf("service: s\ncustom: { replicast: { rules: [ { id: x } ] } }\n"),
      /custom\.replicast\.rules\[0\]\.source: is missing/,
    );
  });

  it("a text that looks like a variable of ours is none when it is read again", () => {
    const rule = `{ id: r, source: a-1, destinations: [b-1], filter: { prefix: '\${env:ODD}' } }`;
    const text = `service: s\ncustom: { replicast: { rules: [ ${rule} ] } }\n`;
    assert.equal(loaded(text, { env: { ODD: `${"$"}{HOME}/` } }).rules[0]?.filter.prefix, `${"$"}{HOME}/`);
  });
});
