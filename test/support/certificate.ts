import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface Certificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const dayMs = 86_400_000;
const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
};
/** Object identifiers as DER content bytes. */
const oid = { ecdsaWithSha256: "2a8648ce3d040302", commonName: "550403", basicConstraints: "551d13", subjectAltName: "551d11" };

/** A self-signed certificate for 127.0.0.1 and localhost, good for ten days, that a client may also be given as its only authority. */
export function createCertificate(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(identifier(oid.ecdsaWithSha256));
  const body = sequence(
    der(0xa0, der(tag.integer, Buffer.from([2]))),
    der(tag.integer, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    subject("replicast test"),
    sequence(utcTime(Date.now() - dayMs), utcTime(Date.now() + 10 * dayMs)),
    subject("replicast test"),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(authority(), alternativeNames())),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, algorithm, der(tag.bitString, Buffer.concat([Buffer.from([0]), signature])));
  return { certificatePem: pem(certificate), privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

function subject(name: string): Buffer {
  return sequence(der(tag.set, sequence(identifier(oid.commonName), der(tag.utf8String, Buffer.from(name)))));
}

function authority(): Buffer {
  return extension(oid.basicConstraints, sequence(der(tag.boolean, Buffer.from([0xff]))));
}

/** Context tag 2 is a DNS name, 7 an address. */
function alternativeNames(): Buffer {
  return extension(oid.subjectAltName, sequence(der(0x82, Buffer.from("localhost")), der(0x87, Buffer.from([127, 0, 0, 1]))));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(identifier(id), der(tag.octetString, value));
}

function identifier(hex: string): Buffer {
  return der(tag.oid, Buffer.from(hex, "hex"));
}

function utcTime(at: number): Buffer {
  return der(tag.utcTime, Buffer.from(`${new Date(at).toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(tag.sequence, Buffer.concat(parts));
}

function der(type: number, content: Buffer): Buffer {
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([type, ...length]), content]);
}

function pem(content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
