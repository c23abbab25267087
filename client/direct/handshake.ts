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
import { type ByteStream, writeAll } from "../../core/net/stream.ts";
import { Channel } from "./channel.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { hkdf, RecordKey } from "./record_key.ts";
import type { Bytes } from "../../core/scram.ts";

/** Length of a session's id, in bytes. */
export const SESSION_BYTES = 16;

/** Length of a public key, and of the hash of one, in bytes. */
const KEY_BYTES = 32;

/** A side's role in a session, independent of which side dials. */
export type Role = "caller" | "called";

/** One side's key pair for one session. */
export interface KeyPair {
  readonly publicKey: Bytes;
  readonly privateKey: CryptoKey;
}

export async function newKeyPair(): Promise<KeyPair> {
  // The cast: the types do not know that X25519 gives a pair.
  const { publicKey, privateKey } = await crypto.subtle.generateKey(
    "X25519",
    false,
    ["deriveBits"],
  ) as CryptoKeyPair;
  const raw = await crypto.subtle.exportKey("raw", publicKey);
  return { publicKey: new Uint8Array(raw), privateKey };
}

/** SHA-256 of a public key: the `Commit` of a CALL. */
export async function commitmentTo(publicKey: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", publicKey));
}

/** The key agreement of one session, for all its connections. */
export class Agreement {
  readonly role: Role;
  /** The session's id. */
  readonly session: Bytes;
  readonly pair: KeyPair;
  /** Six digits, which both users compare; empty until the first handshake. */
  code = "";
  readonly #theirs: Bytes;
  #secret: Promise<Bytes> | undefined;

  /** `theirs` is the other side's key, or the hash of the caller's. */
  constructor({ role, session, pair, theirs }: {
    readonly role: Role;
    readonly session: Bytes;
    readonly pair: KeyPair;
    readonly theirs: Bytes;
  }) {
    this.role = role;
    this.session = session;
    this.pair = pair;
    this.#theirs = theirs;
  }

  /**
   * The secret with `theirKey`, the key from a hello.
   *
   * @throws {Failure} If it is not the key of CALL or ACCEPT, or is invalid.
   */
  async secretWith(theirKey: Bytes): Promise<Bytes> {
    const isCaller = this.role === "caller";
    const shown = isCaller ? theirKey : await commitmentTo(theirKey);
    if (!timingSafeEqual(shown, this.#theirs)) throw otherKey();
    return await (this.#secret ??= this.#agree(theirKey));
  }

  async #agree(theirKey: Bytes): Promise<Bytes> {
    const { role, session, pair } = this;
    const keys = callerFirst(role, [pair.publicKey, theirKey]);
    const shared = await x25519(pair.privateKey, theirKey).catch(() => {
      throw otherKey();
    });
    const info = ["secret", ...keys];
    const secret = await hkdf(shared, { salt: session, info });
    // Six digits of 64 bits: the bias of the remainder is tiny.
    const how = { salt: session, info: ["digits"], length: 8 };
    const { buffer } = await hkdf(secret, how);
    const number = new DataView(buffer).getBigUint64(0) % 1_000_000n;
    this.code = `${number}`.padStart(6, "0");
    return secret;
  }
}

/**
 * The shared secret.
 *
 * @throws {DOMException} If it is zero (RFC 7748, section 6.1).
 */
async function x25519(ours: CryptoKey, theirs: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", theirs, "X25519", true, []);
  const how = { name: "X25519", public: key };
  return new Uint8Array(await crypto.subtle.deriveBits(how, ours, 256));
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
   * connection as the channel. `theirs` is the other side's number of channels,
   * and `both` the greater number, with which both sides go on. Default: yes.
   */
  choose?(theirs: number, both: number): boolean;
}

/** The result of a handshake. */
export interface Handshake {
  /** It owns the connection from now on. */
  readonly channel: Channel;
  /** The number of channels before it, with which both sides go on. */
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
  const { role, session, pair } = agreement;
  const hello = newHello(pair.publicKey, round);
  const sayHello = () => writeAll(stream, concat([session, hello]));
  if (dialled) {
    await expect(stream, GREETING, "not a parley client");
    await sayHello();
  } else await writeAll(stream, GREETING);
  await expect(stream, session, "it is in another session");
  const theirHello = await read(stream, HELLO_BYTES);
  const secret = await agreement.secretWith(theirHello.slice(KEY_AT));
  if (!dialled) await sayHello();

  const fresh = [hello, theirHello].map((one) => one.subarray(0, KEY_AT));
  // The cast: `concat` of such parts is such a part, or a new one.
  const salt = concat(callerFirst(role, fresh)) as Bytes;
  const key = (use: string) => hkdf(secret, { salt, info: [use] });
  const other = role === "caller" ? "called" : "caller";
  const ourProof = await key(`${role}Proves`);
  const theirProof = await key(`${other}Proves`);

  const theirs = new DataView(theirHello.buffer).getUint32(0);
  const both = Math.max(round, theirs);
  if (role === "called") {
    await writeAll(stream, ourProof);
    await expect(stream, theirProof, "its proof is wrong");
  } else {
    await expect(stream, theirProof, "its proof is wrong");
    if (!choose(theirs, both)) {
      throw new Failure(EXIT.failed, "another connection was faster");
    }
    await writeAll(stream, ourProof);
  }
  const channel = new Channel(stream, {
    sending: await RecordKey.from(await key(`${role}Sends`)),
    receiving: await RecordKey.from(await key(`${other}Sends`)),
  });
  return { channel, round: both };
}

const GREETING: Bytes = new TextEncoder().encode("parley/1");

/** In a hello, after the session: the number of channels, and random bytes. */
const KEY_AT = 4 + 32;
const HELLO_BYTES = KEY_AT + KEY_BYTES;

/** A hello without the session. */
function newHello(publicKey: Bytes, round: number): Bytes {
  const hello = new Uint8Array(HELLO_BYTES);
  new DataView(hello.buffer).setUint32(0, round);
  crypto.getRandomValues(hello.subarray(4, KEY_AT));
  hello.set(publicKey, KEY_AT);
  return hello;
}

/** Ours and theirs, in the same order on both sides. */
function callerFirst(role: Role, sides: readonly Bytes[]): Bytes[] {
  return role === "caller" ? [...sides] : sides.toReversed();
}

/** @throws {Failure} If the other side sends anything but `wanted`. */
async function expect(
  stream: ByteStream,
  wanted: Bytes,
  otherwise: string,
): Promise<void> {
  const sent = await read(stream, wanted.length);
  if (!timingSafeEqual(sent, wanted)) throw wrongPeer(otherwise);
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

/** The error of a connection that is not to the other side of the call. */
export function wrongPeer(why: string): Failure {
  return new Failure(EXIT.refused, `wrong peer: ${why}`);
}

function otherKey(): Failure {
  return new Failure(
    EXIT.protocol,
    "the peer's key is not the one that the server sent",
    { advice: "This may be an attack by the server." },
  );
}
