/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, without state.
 *
 * The server never learns a password. It stores a verifier, from which nobody can
 * sign in, and in which only a client that knows the password finds the server's
 * signature. The client alone does what costs time, PBKDF2: a sign-in costs the
 * server three HMACs and a hash, some 30 µs.
 *
 * Of the RFC it takes what core/scram.ts sends: no channel binding (the header is
 * `n,,`), no authorization identity, no extensions.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import {
  GS2_HEADER,
  MAX_ITERATIONS,
  MIN_SALT_BYTES,
  randomWord,
} from "../../core/scram.ts";

/** The range of iterations of a verifier; clients of this project use more. */
const ITERATION_RANGE = { min: 4_096, max: MAX_ITERATIONS };

/** The range of the length of a salt, in bytes. */
const SALT_RANGE = { min: MIN_SALT_BYTES, max: 64 };

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
  /** What the proof is checked with. */
  readonly verifier: Verifier;
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
    verifier,
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
  { message, nonce, clientFirst, verifier }: Challenge,
  clientFinal: string,
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
  const { createHash, timingSafeEqual } = nodeCrypto();
  const mask = hmac(verifier.storedKey, said);
  const clientKey = proof.map((byte, index) => byte ^ mask[index]!); // of one length
  const hash = createHash("sha256").update(clientKey).digest();
  return timingSafeEqual(hash, verifier.storedKey)
    ? `v=${hmac(verifier.serverKey, said).toBase64()}`
    : undefined;
}

/** HMAC-SHA-256, without the wait of WebCrypto, which takes ten times as long. */
function hmac(key: Uint8Array, text: string): Uint8Array {
  return nodeCrypto().createHmac("sha256", key).update(text).digest();
}

/** Takes some 30 ms the first time: too long during a chat, or at the start. */
export function nodeCrypto() {
  return globalThis.process.getBuiltinModule("node:crypto");
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
