/**
 * The server's TLS certificate: the operator's, or one that the server makes.
 *
 * No authority signs the one that the server makes. A client shows its fingerprint,
 * asks its user once, and remembers it. So it is valid for long, and is renewed
 * with the same key before it expires: a client that knows the key sees that the
 * new certificate is signed with it, and accepts it.
 *
 * Key and certificate are in one file beside the database, which only its owner
 * can read. Without a database file they are lost when the server stops.
 *
 * Only servers with `--tls` load this module, and only those without a certificate
 * load what makes one.
 *
 * @module
 */
import {
  createPrivateKey,
  createPublicKey,
  X509Certificate,
} from "node:crypto";
import { dirname } from "node:path";
import { isLinkLocal } from "../core/net/ip_address.ts";
import { systemInterfaces } from "../platform/addresses.ts";
import { whileHeldSync } from "../platform/held_files.ts";
import { hostNames } from "../platform/host_names.ts";
import { HERE, isFolder } from "../platform/local_path.ts";
import { inProfile, keepsModes, openToOthers } from "../platform/modes.ts";
import { IS_WINDOWS } from "../platform/system.ts";
import { IN_MEMORY } from "./journal/journal.ts";
import { StartError } from "./journal/start_error.ts";

/** Validity of a new certificate, in days. Apple's browsers refuse longer ones. */
export const VALID_DAYS = 825;

/**
 * A certificate that is valid for fewer days is renewed when the server starts. So
 * many that no server runs until it expires.
 */
export const RENEWED_BEFORE_DAYS = 180;

/** A certificate and its key, as PEM. */
export interface Certificate {
  /** The certificate, and those of its authorities. */
  readonly cert: string;
  readonly key: string;
  /** SHA-256 of the certificate, in hexadecimal with colons. */
  readonly fingerprint: string;
  /** A sentence for the operator: where it is from. */
  readonly note: string;
}

/** Settings of {@linkcode certificateFor}. */
export interface CertificateOptions {
  /** Paths of the operator's PEM files, if there are any. */
  readonly files?: { readonly cert: string; readonly key: string } | undefined;
  /** The database, beside which our own is stored, or `:memory:`. */
  readonly db: string;
  /** Milliseconds since the epoch. Tests pass their own. */
  readonly now?: number;
  /** Whether the disk of a folder keeps modes. Tests pass their own. */
  readonly keeps?: (folder: string) => boolean;
}

/**
 * The operator's certificate; or our own beside the database, made or renewed if
 * needed.
 *
 * @throws {StartError} If it cannot be used, with the reason.
 */
export async function certificateFor(
  { files, db, now = Date.now(), keeps = keepsModes }: CertificateOptions,
): Promise<Certificate> {
  if (files) return givenCertificate(files, now);
  if (db === IN_MEMORY) {
    const note =
      "The certificate is not stored: the next start creates another.";
    return described(await makePem(now), note);
  }
  return await ownCertificate(`${db}-tls.pem`, now, keeps);
}

/** Reads the files of `--cert` and `--key`. */
function givenCertificate(
  { cert, key }: { cert: string; key: string },
  now: number,
): Certificate {
  const what = `--cert ${cert}`;
  const pem = {
    cert: readText(what, cert),
    key: readText(`--key ${key}`, key),
  };
  const { validFrom, validTo } = parse(pem, { what, keyIn: `--key ${key}` });
  if (Date.parse(validTo) < now) {
    throw cannotUse(what, `it expired on ${validTo}; renew it`);
  }
  if (Date.parse(validFrom) > now) {
    const question = "is the clock of this computer right?";
    throw cannotUse(what, `it is not valid before ${validFrom}; ${question}`);
  }
  return described(pem, `The certificate is in ${cert}`);
}

/** Reads the file of our own certificate; makes or renews it. */
async function ownCertificate(
  path: string,
  now: number,
  keeps: (folder: string) => boolean,
): Promise<Certificate> {
  const kept = readOwn(path, keeps);
  if (kept) {
    const what = `the file ${path}`;
    const advice = "; delete it to get a new one";
    const { validTo } = parse(kept, { what, keyIn: what, advice });
    if (Date.parse(validTo) - now >= RENEWED_BEFORE_DAYS * DAY_MS) {
      return described(kept, `The certificate is stored in ${place(path)}`);
    }
  }
  const made = await makePem(now, kept?.key);
  write(path, made);
  const note = kept
    ? "The certificate was renewed with the same key: clients that trust it go " +
      "on, --fingerprint needs the new one."
    : `The certificate was created now and is stored in ${place(path)}`;
  return described(made, note);
}

/** Where a file is, and in the next line what the system does not protect. */
function place(path: string): string {
  const whole = Deno.realPathSync(path);
  if (openToOthers(Deno.statSync(path).mode)) return `${whole}\n${NO_MODES}`;
  const profile = IS_WINDOWS ? HERE.variable("USERPROFILE") : undefined;
  if (!profile || inProfile(whole, profile)) return whole;
  return `${whole}\n${OUTSIDE}`;
}

const NO_MODES = "This disk has no permissions: other users of this computer " +
  "can read the private key.";
const OUTSIDE =
  "This folder is not in your user profile: other users of this " +
  "computer may read the private key.";

/** A certificate and its key, as PEM. */
type Pem = Pick<Certificate, "cert" | "key">;

function described(pem: Pem, note: string): Certificate {
  const { fingerprint256 } = new X509Certificate(pem.cert);
  return { ...pem, fingerprint: fingerprint256, note };
}

/**
 * The certificate in `pem`; an error names it `what`, and its key `keyIn`.
 *
 * @throws {StartError} If it is invalid, or the key is not its own.
 */
function parse(
  pem: Pem,
  { what, keyIn, advice = "" }: {
    what: string;
    keyIn: string;
    advice?: string;
  },
): X509Certificate {
  const certificate = parsed(() => new X509Certificate(pem.cert));
  if (!certificate) {
    throw cannotUse(what, `there is no certificate in it (PEM)${advice}`);
  }
  const key = parsed(() => createPrivateKey(pem.key));
  if (!key) {
    const why = "there is no private key in it (PEM, without a password)";
    throw cannotUse(keyIn, why + advice);
  }
  if (certificate.checkPrivateKey(key)) return certificate;
  const why = `the key in ${keyIn} is of another certificate`;
  throw cannotUse(what, why + advice);
}

/** Undefined if `parse` throws: its errors explain nothing. */
function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** Key and certificate from our own file; undefined without the file. */
function readOwn(
  path: string,
  keeps: (folder: string) => boolean,
): Pem | undefined {
  try {
    const isOpen = openToOthers(Deno.statSync(path).mode);
    if (isOpen && keeps(dirname(path))) {
      const advice = `chmod 600 ${path}, or delete it to get a new one`;
      throw cannotUse(path, `others can read the key in it; ${advice}`);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof StartError) throw error;
    throw cannotUse(path, reasonOf(error, path));
  }
  const text = readText(`the file ${path}`, path);
  return {
    cert: blockOf(text, "CERTIFICATE"),
    key: blockOf(text, "PRIVATE KEY"),
  };
}

/** One block of a PEM file; empty if it is missing. */
function blockOf(text: string, label: string): string {
  const block = `-----BEGIN ${label}-----[^-]+-----END ${label}-----\n?`;
  return new RegExp(block).exec(text)?.[0] ?? "";
}

function readText(what: string, path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw cannotUse(what, reasonOf(error, path));
  }
}

/** Writes the whole file or nothing, readable for its owner only. */
function write(path: string, { cert, key }: Pem): void {
  const unfinished = `${path}.new`;
  try {
    Deno.removeSync(unfinished);
  } catch {
    // There is none; or it cannot be removed, and creating it fails, too.
  }
  try {
    const options = { write: true, createNew: true, mode: 0o600 };
    using file = Deno.openSync(unfinished, options);
    file.writeSync(new TextEncoder().encode(key + cert)); // a file takes all bytes
    file.syncSync();
    whileHeldSync(() => Deno.renameSync(unfinished, path));
  } catch (error) {
    throw cannotUse(path, `it cannot be written: ${reasonOf(error, path)}`);
  }
}

/** Makes a certificate; with a new key unless there is one. */
async function makePem(now: number, key?: string): Promise<Pem> {
  const { generate } = await import("selfsigned");
  const made = await generate([{ name: "commonName", value: "parley" }], {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(now - DAY_MS), // for clients whose clocks are slow
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

// The kinds of names in a certificate, by the numbers of RFC 5280.
const DNS_NAME = 2 as const;
const ADDRESS = 7 as const;

/** The names and addresses by which clients reach this computer. */
function namesOfThisComputer() {
  const names = ["localhost", ...hostNames(Deno.hostname())];
  const addresses = systemInterfaces().map(({ address }) => address)
    .filter((address) => !isLinkLocal(address));
  return [
    ...new Set(names).values().map((value) => ({ type: DNS_NAME, value })),
    ...new Set(["127.0.0.1", "::1", ...addresses]).values()
      .map((ip) => ({ type: ADDRESS, ip })),
  ];
}

function ended(pem: string): string {
  return `${pem.replaceAll("\r", "").trimEnd()}\n`;
}

const DAY_MS = 86_400_000;

function reasonOf(error: unknown, path: string): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (isFolder(path)) return "it is a folder";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied";
  }
  return error instanceof Error ? error.message : String(error);
}

function cannotUse(what: string, why: string): StartError {
  return new StartError(`Cannot use ${what}: ${why}`);
}
