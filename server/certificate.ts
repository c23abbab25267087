/**
 * The certificate with which the server shows who it is: the operator's, or one
 * that it makes itself.
 *
 * The one that it makes nobody vouches for. Clients are shown its fingerprint,
 * ask whoever they belong to, and remember it. So it lives long, and when its
 * end comes near it is renewed with the same key: a client that knows it sees
 * that whoever had the old one has signed the new one, and goes on.
 *
 * Key and certificate are in one file beside the database, which nobody else
 * can read; without a database they end with the server.
 *
 * This module is loaded by servers that were told `--tls`, and what makes
 * certificates by those that have none.
 *
 * @module
 */
import {
  createPrivateKey,
  createPublicKey,
  X509Certificate,
} from "node:crypto";
import { IN_MEMORY } from "./journal/database_file.ts";
import { StartError } from "./journal/start_error.ts";

/**
 * How long a certificate of ours is good, in days. Longer ones are refused by
 * the browsers of Apple.
 */
export const VALID_DAYS = 825;

/**
 * One that is good for fewer days is renewed, at a start of the server; so many
 * that no server runs to its end.
 */
export const RENEWED_BEFORE_DAYS = 180;

/** A certificate and its key, as PEM. */
export interface Certificate {
  /** The certificate, and those of the authorities up to a known one. */
  readonly cert: string;
  /** The private key. */
  readonly key: string;
  /** SHA-256 of the certificate, in hexadecimal with colons. */
  readonly fingerprint: string;
  /** What the operator ought to know about it, as a sentence. */
  readonly note: string;
}

/** Where a certificate comes from. */
export interface CertificateOptions {
  /** The operator's own, if there is one: the paths of two PEM files. */
  readonly files?: { readonly cert: string; readonly key: string } | undefined;
  /** The database beside which one of ours is kept, or `:memory:`. */
  readonly db: string;
  /** Milliseconds since the epoch. Tests pass their own. */
  readonly now?: number;
}

/**
 * The operator's certificate; or the one beside the database, which is made or
 * renewed if need be.
 *
 * @throws {StartError} If it cannot be used, and why.
 */
export async function certificateFor(
  { files, db, now = Date.now() }: CertificateOptions,
): Promise<Certificate> {
  if (files) return givenCertificate(files, now);
  if (db === IN_MEMORY) {
    const note =
      "The certificate is not stored: the next start creates another.";
    return described(await makePem(now), note);
  }
  return await ownCertificate(`${db}-tls.pem`, now);
}

/** Reads the files of `--cert` and `--key`. */
function givenCertificate(
  { cert, key }: { cert: string; key: string },
  now: number,
): Certificate {
  const parts = { cert: readText("--cert", cert), key: readText("--key", key) };
  check(parts, { what: `--cert ${cert}`, keyIn: `--key ${key}`, now });
  return described(parts, `The certificate is in ${cert}`);
}

/** Reads the file of our own certificate; makes or renews what is in it. */
async function ownCertificate(path: string, now: number): Promise<Certificate> {
  const kept = readOwn(path);
  if (!kept) {
    const made = await makePem(now);
    write(path, made);
    return described(
      made,
      `The certificate was created now and is stored in ${
        Deno.realPathSync(path)
      }`,
    );
  }
  const what = `the file ${path}`;
  const days = check(kept, { what, keyIn: what, now, ours: true });
  if (days >= RENEWED_BEFORE_DAYS) {
    return described(
      kept,
      `The certificate is stored in ${Deno.realPathSync(path)}`,
    );
  }
  const renewed = await makePem(now, kept.key);
  write(path, renewed);
  return described(
    renewed,
    "The certificate was renewed with the same key: clients that trust it go " +
      "on, --fingerprint needs the new one.",
  );
}

/** A certificate and its key, as PEM. */
type Pem = Pick<Certificate, "cert" | "key">;

function described(pem: Pem, note: string): Certificate {
  const { fingerprint256 } = new X509Certificate(pem.cert);
  return { ...pem, fingerprint: fingerprint256, note };
}

/** What {@linkcode check} is told. */
interface CheckOptions {
  /** What to call the certificate. */
  readonly what: string;
  /** Where its key is. */
  readonly keyIn: string;
  readonly now: number;
  /** Whether it may have ended, because it can be renewed. */
  readonly ours?: boolean;
}

/**
 * For how many days it is still good.
 *
 * @throws {StartError} If it is not, or not to be understood.
 */
function check(pem: Pem, { what, keyIn, now, ours }: CheckOptions): number {
  const advice = ours ? "; delete it to get a new one" : "";
  const certificate = parsed(() => new X509Certificate(pem.cert));
  if (!certificate) {
    throw cannotUse(what, `there is no certificate in it (PEM)${advice}`);
  }
  const key = parsed(() => createPrivateKey(pem.key));
  if (!key) {
    const why = "there is no private key in it (PEM, without a password)";
    throw cannotUse(keyIn, why + advice);
  }
  if (!certificate.checkPrivateKey(key)) {
    const why = `the key in ${keyIn} is of another certificate`;
    throw cannotUse(what, why + advice);
  }
  const { validFrom, validTo } = certificate;
  if (!ours && Date.parse(validTo) < now) {
    throw cannotUse(what, `it was good until ${validTo}; get it renewed`);
  }
  if (!ours && Date.parse(validFrom) > now) {
    const question = "is the clock of this computer right?";
    throw cannotUse(what, `it is good from ${validFrom} on; ${question}`);
  }
  return (Date.parse(validTo) - now) / DAY_MS;
}

/** What `parse` gives; undefined if it throws, since it never says why. */
function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** Key and certificate of our own file; undefined if there is none. */
function readOwn(path: string): Pem | undefined {
  try {
    const { mode } = Deno.statSync(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      const advice = `chmod 600 ${path}, or delete it to get a new one`;
      throw cannotUse(path, `others can read the key in it; ${advice}`);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error instanceof StartError ? error : unread(path, error);
  }
  const text = readText("the file", path);
  return {
    cert: blockOf(text, "CERTIFICATE"),
    key: blockOf(text, "PRIVATE KEY"),
  };
}

/** A part of a PEM file; empty if it is not there. */
function blockOf(text: string, label: string): string {
  const block = `-----BEGIN ${label}-----[^-]+-----END ${label}-----\n?`;
  return new RegExp(block).exec(text)?.[0] ?? "";
}

function readText(what: string, path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw unread(`${what} ${path}`, error);
  }
}

/** Writes the file whole or not at all, for nobody else to read. */
function write(path: string, { cert, key }: Pem): void {
  const unfinished = `${path}.new`;
  try {
    Deno.removeSync(unfinished);
  } catch {
    // There is none, or it cannot be removed: then it cannot be made either.
  }
  try {
    writeNew(unfinished, key + cert);
    Deno.renameSync(unfinished, path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw cannotUse(path, `it cannot be written: ${why}`);
  }
}

function writeNew(path: string, text: string): void {
  const options = { write: true, createNew: true, mode: 0o600 };
  using file = Deno.openSync(path, options);
  file.writeSync(encoder.encode(text)); // a file takes all at once
  file.syncSync();
}

/** Makes a certificate, with a new key unless there is one. */
async function makePem(now: number, key?: string): Promise<Pem> {
  const { generate } = await import("selfsigned");
  const made = await generate([{ name: "commonName", value: "parley" }], {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(now - DAY_MS), // for clocks that are behind ours
    notAfterDate: new Date(now + VALID_DAYS * DAY_MS),
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: namesOfThisComputer() },
    ],
    ...(key === undefined ? {} : { keyPair: keyPairOf(key) }),
  });
  return { cert: ended(made.cert), key: ended(made.private) };
}

function keyPairOf(privateKey: string) {
  const publicKey = createPublicKey(privateKey)
    .export({ type: "spki", format: "pem" }).toString();
  return { privateKey, publicKey };
}

/** How this computer may be called by who connects. */
function namesOfThisComputer(): Name[] {
  const host = Deno.hostname();
  const isName = /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(host);
  const local = host.includes(".") ? [] : [`${host}.local`];
  const names = ["localhost", ...(isName ? [host, ...local] : [])];
  const addresses = Deno.networkInterfaces().map(({ address }) => address)
    .filter((address) => !address.startsWith("fe80:")); // needs its interface
  return [
    ...[...new Set(names)].map((value): Name => ({ type: DNS_NAME, value })),
    ...[...new Set(["127.0.0.1", "::1", ...addresses])]
      .map((ip): Name => ({ type: ADDRESS, ip })),
  ];
}

/** A name of a certificate, by the numbers of RFC 5280. */
type Name =
  | { readonly type: typeof DNS_NAME; readonly value: string }
  | { readonly type: typeof ADDRESS; readonly ip: string };
const DNS_NAME = 2;
const ADDRESS = 7;

function ended(pem: string): string {
  return `${pem.replaceAll("\r", "").trimEnd()}\n`;
}

const encoder = new TextEncoder();
const DAY_MS = 86_400_000;

function unread(what: string, error: unknown): StartError {
  return cannotUse(what, whyUnread(error));
}

function whyUnread(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "this system does not let us read it";
  }
  return error instanceof Error ? error.message : String(error);
}

function cannotUse(what: string, why: string): StartError {
  return new StartError(`Cannot use ${what}: ${why}`);
}
