/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, as pure functions.
 *
 * The server never learns a password. It keeps a verifier, from which no login
 * can be made, and in which only somebody who knows the password finds the
 * server's signature. What costs time, PBKDF2, is done by the client alone: a
 * login costs the server three HMACs and a hash, some 30 µs.
 *
 * Of the RFC it takes what parley's clients say: no channel binding (the header
 * is `n,,`), no authorization identity, no extensions.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { ChatError } from "../../protocol.ts";

/** How often a password is hashed for a verifier: fewer, and more, is refused. */
export const ITERATIONS = { least: 4_096, usual: 600_000, most: 1_000_000 };

/** How long the salt of a verifier is, in bytes. */
export const SALT_BYTES = { least: 16, most: 64 };

/** What the server keeps in place of a password. */
export interface Verifier {
  /** How often the password was hashed. */
  readonly iterations: number;
  /** What was hashed with it. */
  readonly salt: Uint8Array;
  /** Finds out whether the client knows the password. */
  readonly storedKey: Uint8Array;
  /** Shows the client that the server knows the verifier. */
  readonly serverKey: Uint8Array;
}

/** A login that waits for its proof. */
export interface Challenge {
  /** What the client is told: the server's first message. */
  readonly message: string;
  /** Both sides' random words, which the proof repeats. */
  readonly nonce: string;
  /** The client's first message, without its header. */
  readonly clientFirst: string;
}

/**
 * Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
 *
 * @throws {ChatError} 105 if it is anything else, or not to be trusted with a
 * password.
 */
export function parseVerifier(text: string): Verifier {
  const [, count, ...parts] = VERIFIER.exec(text) ?? [];
  const [salt, storedKey, serverKey] = parts.map(fromBase64);
  if (
    !salt || storedKey?.length !== KEY_BYTES || serverKey?.length !== KEY_BYTES
  ) {
    throw new ChatError(
      105,
      "Cannot read the verifier: it is SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>",
    );
  }
  const iterations = Number(count);
  checkRange("number of iterations", iterations, ITERATIONS);
  checkRange("length of the salt in bytes", salt.length, SALT_BYTES);
  return { iterations, salt, storedKey, serverKey };
}

/**
 * A verifier for which there is no password: what an unknown account is
 * challenged with. The same `secret` and `name` always give the same one, so
 * that to ask twice tells nothing. Its keys are no secret: nobody finds what
 * has them as its hash.
 */
export function fakeVerifier(secret: Uint8Array, name: string): Verifier {
  const derived = hmac(secret, `salt ${name}`);
  return {
    iterations: ITERATIONS.usual,
    salt: derived.subarray(0, SALT_BYTES.least),
    storedKey: derived,
    serverKey: derived,
  };
}

/**
 * Answers the client's first message, `n,,n=<name>,r=<nonce>`. `random` is the
 * server's part of the nonce, and never used twice.
 *
 * @throws {ChatError} 105 if the message is anything else, or of another name.
 */
export function challenge(
  name: string,
  { message, verifier, random }: {
    message: string;
    verifier: Verifier;
    random: string;
  },
): Challenge {
  const [, user, word] = CLIENT_FIRST.exec(message) ?? [];
  if (user === undefined || word === undefined) {
    throw new ChatError(
      105,
      "Cannot read the SCRAM message: it is n,,n=<name>,r=<nonce> with a nonce of 16 to 128 characters",
    );
  }
  if (user !== name) {
    throw new ChatError(
      105,
      `Cannot log in as "${name}": the SCRAM message is of another name`,
    );
  }
  const nonce = word + random;
  const { salt, iterations } = verifier;
  return {
    message: `r=${nonce},s=${salt.toBase64()},i=${iterations}`,
    nonce,
    clientFirst: message.slice(GS2_HEADER.length),
  };
}

/**
 * Checks the client's final message, `c=biws,r=<nonce>,p=<proof>`.
 *
 * @returns The server's final message; undefined if the password was wrong.
 * @throws {ChatError} 105 if the message is anything else, or answers another
 * challenge.
 */
export function prove(
  { message, nonce, clientFirst }: Challenge,
  verifier: Verifier,
  clientFinal: string,
): string | undefined {
  const [, withoutProof, word, text = ""] = CLIENT_FINAL.exec(clientFinal) ??
    [];
  const proof = fromBase64(text);
  if (proof?.length !== KEY_BYTES) {
    throw new ChatError(
      105,
      "Cannot read the SCRAM message: it is c=biws,r=<nonce>,p=<proof>",
    );
  }
  if (word !== nonce) {
    throw new ChatError(
      105,
      "Cannot log in: the proof answers another challenge",
    );
  }
  const said = `${clientFirst},${message},${withoutProof}`;
  const mask = hmac(verifier.storedKey, said);
  const clientKey = proof.map((byte, index) => byte ^ mask[index]!); // of one length
  const same = timingSafeEqual(sha256(clientKey), verifier.storedKey);
  return same ? `v=${hmac(verifier.serverKey, said).toBase64()}` : undefined;
}

/** The server's part of a nonce: 144 random bits. */
export function randomWord(): string {
  return crypto.getRandomValues(new Uint8Array(18)).toBase64();
}

const KEY_BYTES = 32; // of SHA-256
const GS2_HEADER = "n,,";
const BASE64 = "[A-Za-z0-9+/]+=*";
const VERIFIER = new RegExp(
  `^SCRAM-SHA-256\\$(\\d{1,9}):(${BASE64})\\$(${BASE64}):(${BASE64})$`,
);
const CLIENT_FIRST = /^n,,n=([A-Za-z0-9]{1,32}),r=([!-+\--~]{16,128})$/;
const CLIENT_FINAL = new RegExp(`^(c=biws,r=([!-+\\--~]+)),p=(${BASE64})$`);

/** The bytes of `text`; undefined if it is not base64 in its one right form. */
function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return undefined; // the one reason for which it throws
  }
}

function checkRange(
  what: string,
  value: number,
  { least, most }: { least: number; most: number },
): void {
  if (value >= least && value <= most) return;
  throw new ChatError(
    105,
    `Cannot use the verifier: the ${what} is ${value}, and must be ${least} to ${most}`,
  );
}

/**
 * Loads what a login needs, unless it is there, which takes some 30 ms: as long
 * as to start the server, and too long in the middle of a chat.
 */
export function prepareScram(): void {
  nodeCrypto();
}

function nodeCrypto() {
  return globalThis.process.getBuiltinModule("node:crypto");
}

function hmac(key: Uint8Array, text: string): Uint8Array {
  return nodeCrypto().createHmac("sha256", key).update(text).digest();
}

function sha256(bytes: Uint8Array): Uint8Array {
  return nodeCrypto().createHash("sha256").update(bytes).digest();
}
