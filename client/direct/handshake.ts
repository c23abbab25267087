/**
 * The handshake of a direct connection: both sides prove that they are the two of
 * the call, and derive keys for this connection only.
 *
 *     greeting   "parley/1"
 *     hello      the session, how many of its channels there were before (4
 *                bytes), 32 random bytes, the sender's public key
 *     proof      32 bytes that only a side with the agreed secret can compute
 *
 * The listening side greets first: the other side has named the address, which may
 * be some other service, so the dialling side must not send first. Then the
 * dialler sends hello, and is answered only if it is a hello of the session. Then
 * the called side proves itself, and last the caller, on one of all their
 * connections. That one is the channel, so both sides keep the same.
 *
 * The secret is X25519 (RFC 7748) of two key pairs made for this session, through
 * HKDF (RFC 5869) with both public keys and the session. The random bytes of both
 * sides give each connection other keys.
 *
 * The server passes the keys on, and could intercept: exchange them for its own.
 * So both users compare a verification code of six digits, which differs in that
 * case. CALL has only the hash of the caller's key, and she reveals the key after
 * she has received his (as in ZRTP, RFC 6189, section 4.4.1.1). So an attacker
 * cannot try keys until the codes agree, and is detected 999,999 times in a
 * million.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { concat } from "../../protocol.ts";
import type { ByteStream } from "../trust/tls.ts";
import { Channel } from "./channel.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { hkdf, RecordKey, SECRET_BYTES } from "./record_key.ts";
import type { Bytes } from "../../core/scram.ts";

/** Length of a session's id, in bytes. */
export const SESSION_BYTES = 16;

/** Length of a public key, and of the hash of one, in bytes. */
export const KEY_BYTES = 32;

/** A side's role in a session, independent of which side dials. */
export type Role = "caller" | "called";

/** The secret that both sides have agreed on. */
export interface Secret {
  /** All keys are derived from it. */
  readonly bytes: Bytes;
  /** Six digits, which both users compare. */
  readonly code: string;
}

/** One side's key pair for one session. */
export class KeyPair {
  readonly publicKey: Bytes;
  readonly #privateKey: CryptoKey;

  private constructor(publicKey: Bytes, privateKey: CryptoKey) {
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  static async make(): Promise<KeyPair> {
    // The cast: the types do not know that X25519 gives a pair.
    const { publicKey, privateKey } = await crypto.subtle.generateKey(
      "X25519",
      false,
      ["deriveBits"],
    ) as CryptoKeyPair;
    const raw = await crypto.subtle.exportKey("raw", publicKey);
    return new KeyPair(new Uint8Array(raw), privateKey);
  }

  /** SHA-256 of the public key: the `Commit` of a CALL. */
  async commitment(): Promise<Bytes> {
    return await sha256(this.publicKey);
  }

  /**
   * The shared secret of X25519.
   *
   * @throws {DOMException} If `theirs` gives the zero secret (RFC 7748, section
   * 6.1).
   */
  async secretWith(theirs: Bytes): Promise<Bytes> {
    const { subtle } = crypto;
    const key = await subtle.importKey("raw", theirs, "X25519", true, []);
    const how = { name: "X25519", public: key };
    const bits = await subtle.deriveBits(how, this.#privateKey, 256);
    return new Uint8Array(bits);
  }
}

/** The parts of an {@linkcode Agreement}. */
export interface AgreementParts {
  readonly role: Role;
  /** The session's id. */
  readonly session: Bytes;
  readonly pair: KeyPair;
  /** The other side's key, or the hash of the caller's. */
  readonly theirs: Bytes;
}

/** The key agreement of one session, for all its connections. */
export class Agreement {
  readonly role: Role;
  readonly parts: AgreementParts;
  #secret: Promise<Secret> | undefined;

  constructor(parts: AgreementParts) {
    this.role = parts.role;
    this.parts = parts;
  }

  /** The verification code; empty until the first handshake. */
  async code(): Promise<string> {
    return (await this.#secret)?.code ?? "";
  }

  /**
   * The secret with `theirKey`, the key from a hello.
   *
   * @throws {Failure} If it is not the key of CALL or ACCEPT, or is invalid.
   */
  async secretWith(theirKey: Bytes): Promise<Secret> {
    const { theirs } = this.parts;
    const shown = this.role === "caller" ? theirKey : await sha256(theirKey);
    if (!timingSafeEqual(shown, theirs)) throw otherKey();
    return await (this.#secret ??= this.#agree(theirKey));
  }

  async #agree(theirKey: Bytes): Promise<Secret> {
    const { pair, session } = this.parts;
    const keys = [pair.publicKey, theirKey];
    if (this.role === "called") keys.reverse(); // the caller's first
    const shared = await pair.secretWith(theirKey).catch(() => {
      throw otherKey();
    });
    const bytes = await hkdf(shared, session, ["secret", ...keys]);
    return { bytes, code: await codeOf(bytes, session) };
  }
}

/** Settings of {@linkcode handshake}. */
export interface HandshakeOptions {
  readonly agreement: Agreement;
  /** Whether this side dialled. */
  readonly dialled: boolean;
  /** How many channels of the session this side had before. Default 0. */
  readonly round?: number;
  /**
   * Asks the caller, once the called side has proved itself, whether to use this
   * connection as the channel. Default: yes.
   */
  choose?(rounds: Rounds): boolean;
}

/** The number of channels of a session before this one. */
export interface Rounds {
  /** As the other side counts. */
  readonly theirs: number;
  /** The greater number, with which both sides go on. */
  readonly both: number;
}

/** The result of a handshake. */
export interface Handshake {
  /** It owns the connection from now on. */
  readonly channel: Channel;
  /** See {@linkcode Rounds.both}. */
  readonly round: number;
}

/**
 * Makes a channel of a connection.
 *
 * @throws {Failure} If the other side is not the one of the call, closes, or this
 * connection is not chosen. Then `stream` stays open, and is the caller's to
 * close.
 */
export async function handshake(
  stream: ByteStream,
  { agreement, dialled, round = 0, choose = () => true }: HandshakeOptions,
): Promise<Handshake> {
  const { role, parts } = agreement;
  const ours = helloOf(parts, round);
  if (dialled) {
    await readGreeting(stream);
    await write(stream, ours);
  } else await write(stream, GREETING);
  const theirs = readHello(await read(stream, HELLO_BYTES), parts);
  const secret = await agreement.secretWith(theirs.key);
  if (!dialled) await write(stream, ours);
  const fresh = [ours, theirs.bytes].map((hello) =>
    hello.subarray(SESSION_BYTES, KEY_AT)
  );
  if (role === "called") fresh.reverse(); // the caller's first
  const salt = concat(fresh) as Bytes; // the cast: of such parts, it is one
  const keyFor = (use: string) => hkdf(secret.bytes, salt, [use]);
  const both = Math.max(round, theirs.round);
  if (role === "called") {
    await write(stream, await keyFor("calledProves"));
    await check(stream, await keyFor("callerProves"));
  } else {
    await check(stream, await keyFor("calledProves"));
    if (!choose({ theirs: theirs.round, both })) throw notNeeded();
    await write(stream, await keyFor("callerProves"));
  }
  const [callerSends, calledSends] = [
    await RecordKey.from(await keyFor("callerSends")),
    await RecordKey.from(await keyFor("calledSends")),
  ];
  const channel = new Channel(
    stream,
    role === "caller"
      ? { sending: callerSends, receiving: calledSends }
      : { sending: calledSends, receiving: callerSends },
  );
  return { channel, round: both };
}

const GREETING: Bytes = new TextEncoder().encode("parley/1");
const RANDOM_BYTES = 32;
const RANDOM_AT = SESSION_BYTES + 4;
const KEY_AT = RANDOM_AT + RANDOM_BYTES;
const HELLO_BYTES = KEY_AT + KEY_BYTES;

function helloOf({ session, pair }: AgreementParts, round: number): Bytes {
  const hello = new Uint8Array(HELLO_BYTES);
  hello.set(session);
  new DataView(hello.buffer).setUint32(SESSION_BYTES, round);
  crypto.getRandomValues(hello.subarray(RANDOM_AT, KEY_AT));
  hello.set(pair.publicKey, KEY_AT);
  return hello;
}

/** @throws {Failure} If there is another service. */
async function readGreeting(stream: ByteStream): Promise<void> {
  const said = await read(stream, GREETING.length);
  if (!timingSafeEqual(said, GREETING)) throw wrongPeer("not a parley client");
}

/** @throws {Failure} If it is not of this session. */
function readHello(
  bytes: Bytes,
  { session }: AgreementParts,
): { readonly bytes: Bytes; readonly key: Bytes; readonly round: number } {
  if (!timingSafeEqual(bytes.subarray(0, SESSION_BYTES), session)) {
    throw wrongPeer("it is in another session");
  }
  const round = new DataView(bytes.buffer).getUint32(SESSION_BYTES);
  return { bytes, key: bytes.slice(KEY_AT), round };
}

/** Six digits of 64 bits of the secret: the bias of the remainder is tiny. */
async function codeOf(secret: Bytes, session: Bytes): Promise<string> {
  const { buffer } = await hkdf(secret, session, ["digits"], 8);
  const number = new DataView(buffer).getBigUint64(0) % 1_000_000n;
  return `${number}`.padStart(6, "0");
}

async function check(stream: ByteStream, proof: Bytes): Promise<void> {
  const shown = await read(stream, SECRET_BYTES);
  if (!timingSafeEqual(shown, proof)) throw wrongPeer("its proof is wrong");
}

async function write(stream: ByteStream, bytes: Bytes): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await stream.write(bytes.subarray(sent));
  }
}

/** Reads exactly so many bytes: what follows is the channel's. */
async function read(stream: ByteStream, length: number): Promise<Bytes> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await stream.read(bytes.subarray(at));
    if (count === null) throw wrongPeer("it closed the connection");
    at += count;
  }
  return bytes;
}

async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function wrongPeer(why: string): Failure {
  return new Failure(EXIT.refused, `wrong peer: ${why}`);
}

function notNeeded(): Failure {
  return new Failure(EXIT.failed, "another connection was faster");
}

function otherKey(): Failure {
  const why = "the peer's key is not the one that the server sent";
  const advice = "This may be an attack by the server.";
  return new Failure(EXIT.protocol, why, { advice });
}
