/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side: the password never
 * leaves it, and the server has to prove that it has the verifier.
 * server/accounts/scram.ts has the other side.
 *
 * The server is not trusted: it can make a client neither hash for hours, nor
 * hash less than for an account of its own, since the server would then find the
 * password by trying. Accounts with fewer iterations, which other clients may
 * have created, are refused.
 *
 * @module
 */

/** How often a password is hashed for a new verifier. */
export const ITERATIONS = 600_000;

/** A server that asks for more, or for fewer than that, is refused. */
export const MAX_ITERATIONS = 1_000_000;

/** Shorter salts are refused: hashes for them may be in tables; in bytes. */
export const MIN_SALT_BYTES = 16;

/** Longest password, in bytes of UTF-8 after {@linkcode preparePassword}. */
export const MAX_PASSWORD_BYTES = 1_024;

/** What is wrong with a password or a server. Never quotes a password. */
export class ScramError extends Error {
  /** For stack traces. */
  override readonly name = "ScramError";
}

/** What is left of a password once it is hashed: enough to sign in again. */
export interface Keys {
  /** What was hashed with the password, in base64. */
  readonly salt: string;
  /** How often it was hashed. */
  readonly iterations: number;
  /** Proves that we know the password. */
  readonly clientKey: Bytes;
  /** Checks that the server knows the verifier. */
  readonly serverKey: Bytes;
}

/** Bytes as WebCrypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * A password in the one form in which it is hashed, however it was typed: a
 * subset of SASLprep (RFC 4013). Spaces of any kind become a space, what is
 * invisible is left out, and then it is NFKC. Characters that Unicode had not
 * assigned in 2002 are taken, unlike there, and so are mixed directions.
 *
 * @throws {ScramError} If it is empty, too long, or has control characters.
 */
export function preparePassword(typed: string): string {
  const password = typed.replaceAll(SPACES, " ").replaceAll(INVISIBLE, "")
    .normalize("NFKC");
  if (!password.isWellFormed() || FORBIDDEN.test(password)) {
    throw new ScramError(
      "Cannot use the password: it has control characters",
    );
  }
  const { length } = encoder.encode(password);
  if (length === 0) {
    throw new ScramError("Cannot use the password: it is empty");
  }
  if (length > MAX_PASSWORD_BYTES) {
    throw new ScramError(
      `Cannot use the password: it has ${length} bytes, and the limit is ${MAX_PASSWORD_BYTES}`,
    );
  }
  return password;
}

/** Hashes a prepared password; takes a third of a second. */
export async function deriveKeys(
  password: string,
  salt: string,
  iterations: number,
): Promise<Keys> {
  const bytes = encoder.encode(password);
  const key = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, [
    "deriveBits",
  ]);
  const how = {
    name: "PBKDF2",
    hash: "SHA-256",
    salt: Uint8Array.fromBase64(salt),
    iterations,
  };
  const salted = new Uint8Array(await crypto.subtle.deriveBits(how, key, 256));
  return {
    salt,
    iterations,
    clientKey: await hmac(salted, "Client Key"),
    serverKey: await hmac(salted, "Server Key"),
  };
}

/** What the server stores in place of the password. */
export async function verifierOf(keys: Keys): Promise<string> {
  const storedKey = await sha256(keys.clientKey);
  const { iterations, salt, serverKey } = keys;
  return `SCRAM-SHA-256$${iterations}:${salt}$${storedKey.toBase64()}:${serverKey.toBase64()}`;
}

/** What a server asks for before it registers an account. */
export interface Challenge {
  /** Ours, and what the server has added to it. */
  readonly nonce: string;
  /** To be hashed with the password, in base64. */
  readonly salt: string;
  /** How often to hash. */
  readonly iterations: number;
}

/**
 * Reads a challenge, whatever it asks for: {@linkcode Login.readChallenge}
 * says whether to answer.
 *
 * @throws {ScramError} If it is none.
 */
export function parseChallenge(message: string): Challenge {
  const [, nonce = "", salt = "", count] = CHALLENGE.exec(message) ?? [];
  if (salt === "") throw malformed();
  return { nonce, salt, iterations: Number(count) };
}

/** No channel binding, no authorization identity. */
export const GS2_HEADER = "n,,";

/** One sign-in: three of its four messages, in their order. */
export class Login {
  /** The first message, for LOGIN. */
  readonly first: string;
  readonly #nonce: string;
  #signature: string | undefined; // what the server has to answer

  /** `nonce` is random; the test of the RFC's example gives its own. */
  constructor(name: string, nonce: string = randomWord()) {
    this.#nonce = nonce;
    this.first = `${GS2_HEADER}n=${name},r=${nonce}`;
  }

  /**
   * Reads the server's challenge, before anything is made of the password.
   *
   * @throws {ScramError} If it is none, or one whose answer would give the
   * password away, or take for ever.
   */
  readChallenge(message: string): Challenge {
    const challenge = parseChallenge(message);
    if (!this.#begins(challenge.nonce)) throw malformed();
    const { iterations } = challenge;
    if (iterations < ITERATIONS || iterations > MAX_ITERATIONS) {
      throw new ScramError(
        `Cannot sign in: ${ITERATIONS} to ${MAX_ITERATIONS} iterations are ` +
          `safe, and the server asks for ${iterations}`,
      );
    }
    if (Uint8Array.fromBase64(challenge.salt).length < MIN_SALT_BYTES) {
      throw new ScramError(
        `Cannot sign in: the server's salt has less than ${MIN_SALT_BYTES} bytes`,
      );
    }
    return challenge;
  }

  /** The final message, for PROVE, in answer to a challenge that was read. */
  async prove(challenge: string, keys: Keys): Promise<string> {
    const [nonce] = challenge.split(",");
    const withoutProof = `c=biws,${nonce}`;
    const first = this.first.slice(GS2_HEADER.length);
    const said = `${first},${challenge},${withoutProof}`;
    const mask = await hmac(await sha256(keys.clientKey), said);
    const proof = keys.clientKey.map((byte, index) => byte ^ mask[index]!);
    this.#signature = (await hmac(keys.serverKey, said)).toBase64();
    return `${withoutProof},p=${proof.toBase64()}`;
  }

  /**
   * Checks the server's final message.
   *
   * @throws {ScramError} If the server does not know the verifier.
   */
  check(message: string): void {
    if (this.#signature && message === `v=${this.#signature}`) return;
    throw new ScramError(
      "Cannot trust the server: it does not know the account",
    );
  }

  /** Whether the server has added a word of its own to our nonce. */
  #begins(nonce: string): boolean {
    return nonce.startsWith(this.#nonce) && nonce.length > this.#nonce.length;
  }
}

const encoder = new TextEncoder();

/** RFC 3454, table C.1.2, as Unicode goes on: every space. */
const SPACES = /\p{Zs}/gu;

/** RFC 3454, table B.1: "commonly mapped to nothing". */
const INVISIBLE =
  /[\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]/gu;

/** Control characters, and what ends a line or a paragraph. */
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** The salt is base64 with its padding. */
const CHALLENGE =
  /^r=([!-+\--~]{1,512}),s=((?:[A-Za-z0-9+/]{4}){0,32}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?),i=(\d{1,15})$/;

function malformed(): ScramError {
  return new ScramError("Cannot sign in: the challenge is malformed");
}

/** One side's part of a nonce, or a salt: 144 random bits. */
export function randomWord(): string {
  return crypto.getRandomValues(new Uint8Array(18)).toBase64();
}

async function hmac(key: Bytes, text: string): Promise<Bytes> {
  const hash = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, hash, false, [
    "sign",
  ]);
  const bytes = encoder.encode(text);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes));
}

async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
