/** A commented replicast.yaml that is valid once the variables it names are set. */
export function initTemplate(): string {
  return TEMPLATE;
}

const TEMPLATE = `# What replicast replicates. Check it with: replicast validate
# \${VAR} and \${VAR:-default} come from the environment, \${file:/path} from a file.
version: 1
name: my-replication              # lower-case letters, digits, '-'

stores:
  # 'aws' is always there, with the default credential chain; name others here.
  minio:
    endpoint: "\${MINIO_ENDPOINT:-http://127.0.0.1:9000}"
    credentials: { accessKeyId: "\${MINIO_ACCESS_KEY}", secretAccessKey: "\${MINIO_SECRET_KEY}" }
    events: { type: webhook }     # webhook | sqs (apply makes the queue) | poll (every: 30s) | none
    # region: us-east-1
    # tls: { caFile: ./ca.pem }
    # maxConnections: 64

rules:
  - id: photos
    source: minio:photos          # store:bucket; a bucket without a store is one of AWS: photos@eu-west-1
    destinations:
      - photos-copy@us-east-1
      # - { bucket: "photos-archive@eu-west-1", id: archive, prefix: minio/, storageClass: STANDARD_IA }
    # filter: { prefix: raw/, suffix: .jpg, tags: { team: x }, minBytes: 1, maxBytes: 1TiB }
    # existingObjects: true       # also copy what was there before the rule
    # deletes: none               # none | markers | propagate
    # preserve: { tags: true, storageClass: true, acl: false, objectLock: true, encryption: true }
    # engine: auto                # auto | copy | native (S3's own replication, which apply sets up)
    # enabled: true
  # - id: team                    # two-way and more: every member to all others
  #   mesh: [minio:team, "team-copy@us-east-1"]
  #   conflict: newest            # newest | priority | hold

# state: sqlite:./replicast.db    # what has been replicated; one file, beside this one
# listen: { host: 127.0.0.1, port: 8417, tokens: [{ token: "\${ADMIN_TOKEN}", scope: admin }] }
# limits: { concurrency: 64, bandwidth: 500MiB/s, requestsPerSecond: 3000 }
# deleteGate: { max: 1000, percent: 10, window: 10m }
# retry: { maxAttempts: 10, initial: 1s, max: 15m }
# schedule: { sync: 24h, attributes: 7d }    # 'off' disables
`;
