/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, as pure functions.
 *
 * The server never learns a password. It stores a verifier, from which nobody can
 * sign in, and in which only a client that knows the password finds the server's
 * signature. The client alone does what costs time, PBKDF2: a sign-in costs the
 * server three HMACs and a hash, some 30 µs.
 *
 * Of the RFC it takes what scram.ts sends: no channel binding (the header is
 * `n,,`), no authorization identity, no extensions. It is a file of its own, so
 * that a browser does not load it.
 *
 * @module
 */
import { ChatError } from "../protocol.ts";
import {
  GS2_HEADER,
  ITERATIONS,
  MAX_ITERATIONS,
  MIN_SALT_BYTES,
  randomWord,
} from "./scram.ts";

/** The range of iterations of a verifier; clients of this project use more. */
export const ITERATION_RANGE = { min: 4_096, max: MAX_ITERATIONS };

/** The range of the length of a salt, in bytes. */
export const SALT_RANGE = { min: MIN_SALT_BYTES, max: 64 };

/** The server's hash functions: a server has them without waiting. */
export interface Hashes {
  /** HMAC of the UTF-8 of `text` (RFC 2104). */
  hmacSha256(key: Uint8Array, text: string): Uint8Array;
  /** The 32 bytes of the hash. */
  sha256(bytes: Uint8Array): Uint8Array;
}

/** What the server stores in place of a password. */
export interface Verifier {
  /** How often the password was hashed. */
  readonly iterations: number;
  /** Random; its length is in {@linkcode SALT_RANGE}. */
  readonly salt: Uint8Array;
  /** Shows whether the client knows the password. */
  readonly storedKey: Uint8Array;
  /** Shows the client that the server has the verifier. */
  readonly serverKey: Uint8Array;
}

/** A sign-in that waits for its proof. */
export interface Challenge {
  /** The server's first message. */
  readonly message: string;
  /** The random words of both sides, which the proof repeats. */
  readonly nonce: string;
  /** The client's first message, without its header. */
  readonly clientFirst: string;
}

/**
 * Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
 *
 * @throws {ChatError} 105 if it is anything else, or too weak.
 */
export function parseVerifier(text: string): Verifier {
  const [, count, ...parts] = VERIFIER.exec(text) ?? [];
  const [salt, storedKey, serverKey] = parts.map(fromBase64);
  if (
    !salt || storedKey?.length !== KEY_BYTES || serverKey?.length !== KEY_BYTES
  ) {
    throw invalid(
      "Cannot read the verifier: it is SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>",
    );
  }
  const iterations = Number(count);
  checkRange("number of iterations", iterations, ITERATION_RANGE);
  checkRange("length of the salt in bytes", salt.length, SALT_RANGE);
  return { iterations, salt, storedKey, serverKey };
}

/**
 * A verifier without a password: the challenge for an unknown account. The same
 * `secret` and `name` always give the same one, so that to ask twice tells
 * nothing. Its keys are no secret: nobody finds what has them as its hash.
 */
export function fakeVerifier(
  secret: Uint8Array,
  name: string,
  { hmacSha256 }: Hashes,
): Verifier {
  const derived = hmacSha256(secret, `salt ${name}`);
  return {
    iterations: ITERATIONS,
    salt: derived.subarray(0, MIN_SALT_BYTES),
    storedKey: derived,
    serverKey: derived,
  };
}

/**
 * Answers the client's first message, `n,,n=<name>,r=<nonce>`. `random` is the
 * server's part of the nonce; by default it is new.
 *
 * @throws {ChatError} 105 if the message is anything else, or of another name.
 */
export function challenge(
  name: string,
  { message, verifier, random = randomWord() }: {
    message: string;
    verifier: Verifier;
    random?: string;
  },
): Challenge {
  const [, user, word] = CLIENT_FIRST.exec(message) ?? [];
  if (user === undefined || word === undefined) {
    throw invalid(
      "Cannot read the SCRAM message: it is n,,n=<name>,r=<nonce> with a nonce of 16 to 128 characters",
    );
  }
  if (user !== name) {
    throw invalid(
      `Cannot sign in as "${name}": the SCRAM message is of another name`,
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
  clientFinal: string,
  { verifier, hashes }: { verifier: Verifier; hashes: Hashes },
): string | undefined {
  const [, withoutProof, word, text = ""] = CLIENT_FINAL.exec(clientFinal) ??
    [];
  const proof = fromBase64(text);
  if (proof?.length !== KEY_BYTES) {
    throw invalid(
      "Cannot read the SCRAM message: it is c=biws,r=<nonce>,p=<proof>",
    );
  }
  if (word !== nonce) {
    throw invalid("Cannot sign in: the proof answers another challenge");
  }
  const said = `${clientFirst},${message},${withoutProof}`;
  const mask = hashes.hmacSha256(verifier.storedKey, said);
  const clientKey = proof.map((byte, index) => byte ^ mask[index]!); // of one length
  const same = isSame(hashes.sha256(clientKey), verifier.storedKey);
  return same
    ? `v=${hashes.hmacSha256(verifier.serverKey, said).toBase64()}`
    : undefined;
}

/** Compares two hashes in a time that does not tell where they differ. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (const [index, byte] of a.entries()) difference |= byte ^ b[index]!;
  return difference === 0;
}

const KEY_BYTES = 32; // of SHA-256
const BASE64 = "[A-Za-z0-9+/]+=*";
const VERIFIER = new RegExp(
  `^SCRAM-SHA-256\\$(\\d{1,9}):(${BASE64})\\$(${BASE64}):(${BASE64})$`,
);
const CLIENT_FIRST = /^n,,n=([A-Za-z0-9]{1,32}),r=([!-+\--~]{16,128})$/;
const CLIENT_FINAL = new RegExp(`^(c=biws,r=([!-+\\--~]+)),p=(${BASE64})$`);

/** The bytes of `text`; undefined if it is not canonical base64. */
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
  { min, max }: { min: number; max: number },
): void {
  if (value >= min && value <= max) return;
  throw invalid(
    `Cannot use the verifier: the ${what} is ${value}, and must be ${min} to ${max}`,
  );
}

function invalid(message: string): ChatError {
  return new ChatError(105, message);
}
