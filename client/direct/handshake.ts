/**
 * The first words on a direct connection: both sides prove that they are those
 * whom the server introduced, and make keys for this connection alone.
 *
 *     greeting   "parley/1"
 *     hello      the session, how many of its channels broke before (4 bytes),
 *                32 random bytes, the sender's public key
 *     proof      32 bytes that only who has the agreed secret can know
 *
 * Who listens greets, since who dialled sends nothing to what may be somebody
 * else's service: the address was named by the other side. Then the dialler says
 * hello, and is answered only if it is a hello of the session. Then the called
 * side proves itself, and last the caller, on one of all their connections: that
 * one is the channel, so that both keep the same.
 *
 * The secret is that of X25519 (RFC 7748) between two key pairs made for this
 * session, through HKDF (RFC 5869) with both public keys and the session. The
 * random bytes of both sides make other keys for each connection of it.
 *
 * The server passes the keys on, and could put itself between. So both people
 * are shown six digits, which are equal if nobody did. The caller's CALL has
 * only the hash of her key, and she shows the key itself after she was told his
 * (as in ZRTP, RFC 6189, section 4.4.1.1): nobody can try keys until the digits
 * are equal, and who guesses is found out 999,999 times in a million.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { concat } from "../../protocol.ts";
import { type ByteStream, RecordChannel } from "./channel.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { hkdf, RecordKey, SECRET_BYTES } from "./record_key.ts";
import type { Bytes } from "../../core/scram.ts";

/** Length of a session's id, in bytes. */
export const SESSION_BYTES = 16;

/** Length of a public key, and of the hash of one, in bytes. */
export const KEY_BYTES = 32;

/** Which role a side has in a session, whoever dials. */
export type Role = "caller" | "called";

/** What both sides know once they agree on a secret. */
export interface Secret {
  /** From it come all keys. */
  readonly bytes: Bytes;
  /** Six of them, for both people to compare. */
  readonly digits: string;
}

/** One side's half of an agreement, made before it knows the other's. */
export class KeyPair {
  /** What the other side is told, in the end. */
  readonly publicKey: Bytes;
  readonly #privateKey: CryptoKey;

  private constructor(publicKey: Bytes, privateKey: CryptoKey) {
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  /** A new one, for one session. */
  static async make(): Promise<KeyPair> {
    // The cast: X25519 gives a pair, which the types do not know.
    const { publicKey, privateKey } = await crypto.subtle.generateKey(
      "X25519",
      false,
      ["deriveBits"],
    ) as CryptoKeyPair;
    const raw = await crypto.subtle.exportKey("raw", publicKey);
    return new KeyPair(new Uint8Array(raw), privateKey);
  }

  /** What a CALL says of the public key. */
  async commitment(): Promise<Bytes> {
    return await sha256(this.publicKey);
  }

  /**
   * The secret that both have.
   *
   * @throws {DOMException} If `theirs` is a key that gives no secret (RFC 7748,
   * section 6.1).
   */
  async secretWith(theirs: Bytes): Promise<Bytes> {
    const key = await crypto.subtle.importKey(
      "raw",
      theirs,
      "X25519",
      true,
      [],
    );
    const how = { name: "X25519", public: key };
    const bits = await crypto.subtle.deriveBits(how, this.#privateKey, 256);
    return new Uint8Array(bits);
  }
}

/** What an {@linkcode Agreement} is made of. */
export interface AgreementParts {
  /** Which role we have. */
  readonly role: Role;
  /** What the session is called. */
  readonly session: Bytes;
  /** Ours. */
  readonly pair: KeyPair;
  /** What we were told of theirs: the key itself, or the hash of the caller's. */
  readonly theirs: Bytes;
}

/** One session's secret, on whatever connections it is proved. */
export class Agreement {
  /** Which role we have. */
  readonly role: Role;
  /** What the session is called. */
  readonly session: Bytes;
  /** Ours. */
  readonly publicKey: Bytes;
  readonly #parts: AgreementParts;
  #secret: Promise<Secret> | undefined;

  /** After CALL and ACCEPT, before the first connection. */
  constructor(parts: AgreementParts) {
    this.role = parts.role;
    this.session = parts.session;
    this.publicKey = parts.pair.publicKey;
    this.#parts = parts;
  }

  /** The six digits to compare, once a connection has brought the other key. */
  async digits(): Promise<string> {
    return (await this.#secret)?.digits ?? "";
  }

  /**
   * The secret, if `theirKey` is the one we were told of.
   *
   * @throws {Failure} If it is not, or is no key.
   */
  async secretWith(theirKey: Bytes): Promise<Secret> {
    const { theirs } = this.#parts;
    const shown = this.role === "caller" ? theirKey : await sha256(theirKey);
    if (!timingSafeEqual(shown, theirs)) throw otherKey();
    return await (this.#secret ??= this.#agree(theirKey));
  }

  async #agree(theirKey: Bytes): Promise<Secret> {
    const { pair, session } = this.#parts;
    const keys = [pair.publicKey, theirKey];
    if (this.role === "called") keys.reverse(); // the caller's first
    const shared = await pair.secretWith(theirKey).catch(() => {
      throw otherKey();
    });
    const info = ["secret", ...keys];
    const bytes = await hkdf(shared, { salt: session, info });
    return { bytes, digits: await digitsOf(bytes, session) };
  }
}

/** How to shake hands on one connection. */
export interface HandshakeOptions {
  /** What was agreed on. */
  readonly agreement: Agreement;
  /** Whether we connected, and so speak first. */
  readonly dialled: boolean;
  /** How many channels of the session we have had before. Default none. */
  readonly round?: number;
  /**
   * Asked of the caller, once the called side is proved: whether this is to be
   * the channel. What is not is given up.
   */
  choose?(rounds: Rounds): boolean;
}

/** How many channels of a session there were before. */
export interface Rounds {
  /** As the other side knows. */
  readonly theirs: number;
  /** As both know from now on: the greater number. */
  readonly both: number;
}

/** What a handshake makes. */
export interface Handshake {
  /** Of this connection, which it closes. */
  readonly channel: RecordChannel;
  /** See {@linkcode Rounds.both}. */
  readonly round: number;
}

/**
 * Makes a channel of a connection.
 *
 * @throws {Failure} If the other side is not who was introduced, hangs up, or
 * this connection is not chosen. The stream stays open then: it is the caller's
 * of this function.
 */
export async function handshake(
  stream: ByteStream,
  { agreement, dialled, round = 0, choose = () => true }: HandshakeOptions,
): Promise<Handshake> {
  const { role } = agreement;
  const ours = helloOf(agreement, round);
  if (dialled) {
    await readGreeting(stream);
    await write(stream, ours);
  } else await write(stream, GREETING);
  const theirs = readHello(await read(stream, HELLO_BYTES), agreement);
  const secret = await agreement.secretWith(theirs.key);
  if (!dialled) await write(stream, ours);
  const salt = [ours, theirs.bytes].map(freshOf);
  if (role === "called") salt.reverse(); // the caller's first
  const keys = await connectionKeys(secret, concatBytes(salt));
  const both = Math.max(round, theirs.round);
  if (role === "called") {
    await write(stream, keys.calledProves);
    await check(stream, keys.callerProves);
  } else {
    await check(stream, keys.calledProves);
    if (!choose({ theirs: theirs.round, both })) throw notNeeded();
    await write(stream, keys.callerProves);
  }
  return { channel: await channelOf(stream, role, keys), round: both };
}

async function channelOf(
  stream: ByteStream,
  role: Role,
  { callerSends, calledSends }: ConnectionKeys,
): Promise<RecordChannel> {
  const ours = role === "caller" ? callerSends : calledSends;
  const theirs = role === "caller" ? calledSends : callerSends;
  return new RecordChannel(stream, {
    sending: await RecordKey.from(ours),
    receiving: await RecordKey.from(theirs),
  });
}

const GREETING: Bytes = new TextEncoder().encode("parley/1");
const RANDOM_BYTES = 32;
const RANDOM_AT = SESSION_BYTES + 4;
const KEY_AT = RANDOM_AT + RANDOM_BYTES;
const HELLO_BYTES = KEY_AT + KEY_BYTES;

function helloOf(
  { session, publicKey }: Agreement,
  round: number,
): Bytes {
  const hello = new Uint8Array(HELLO_BYTES);
  hello.set(session);
  new DataView(hello.buffer).setUint32(SESSION_BYTES, round);
  crypto.getRandomValues(hello.subarray(RANDOM_AT, KEY_AT));
  hello.set(publicKey, KEY_AT);
  return hello;
}

/** @throws {Failure} If it is none. */
async function readGreeting(stream: ByteStream): Promise<void> {
  const said = await read(stream, GREETING.length);
  if (!timingSafeEqual(said, GREETING)) throw stranger("it is no chat client");
}

/** @throws {Failure} If it is not of this session. */
function readHello(
  bytes: Bytes,
  { session }: Agreement,
): { readonly bytes: Bytes; readonly key: Bytes; readonly round: number } {
  if (!timingSafeEqual(bytes.subarray(0, SESSION_BYTES), session)) {
    throw stranger("it speaks of another session");
  }
  const round = new DataView(bytes.buffer).getUint32(SESSION_BYTES);
  return { bytes, key: bytes.slice(KEY_AT), round };
}

/** What a hello has for this connection alone. */
function freshOf(hello: Bytes): Bytes {
  return hello.subarray(SESSION_BYTES, KEY_AT);
}

type ConnectionKeys = Readonly<Record<typeof USES[number], Bytes>>;

/** What a connection's random bytes make of the secret, each for one use. */
async function connectionKeys(
  { bytes }: Secret,
  salt: Bytes,
): Promise<ConnectionKeys> {
  const derived = await Promise.all(
    USES.map(async (use) =>
      [use, await hkdf(bytes, { salt, info: [use] })] as const
    ),
  );
  // The cast: one entry for each use.
  return Object.fromEntries(derived) as ConnectionKeys;
}

const USES = [
  "callerProves",
  "calledProves",
  "callerSends",
  "calledSends",
] as const;

/** 64 bits of the secret, of which a million hides nothing that is missed. */
async function digitsOf(secret: Bytes, session: Bytes): Promise<string> {
  const how = { salt: session, info: ["digits"], length: 8 };
  const { buffer } = await hkdf(secret, how);
  const number = new DataView(buffer).getBigUint64(0) % 1_000_000n;
  return `${number}`.padStart(6, "0");
}

async function check(stream: ByteStream, proof: Bytes): Promise<void> {
  const shown = await read(stream, SECRET_BYTES);
  if (!timingSafeEqual(shown, proof)) throw stranger("its proof is wrong");
}

async function write(stream: ByteStream, bytes: Bytes): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await stream.write(bytes.subarray(sent));
  }
}

/** Exactly so many bytes: what follows is the channel's. */
async function read(stream: ByteStream, length: number): Promise<Bytes> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await stream.read(bytes.subarray(at));
    if (count === null) throw stranger("it hung up");
    at += count;
  }
  return bytes;
}

async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function concatBytes(parts: readonly Bytes[]): Bytes {
  // The cast: `concat` of such parts is such a part, or a new one.
  return concat(parts) as Bytes;
}

function stranger(why: string): Failure {
  return new Failure(EXIT.refused, `somebody else is there: ${why}`);
}

function notNeeded(): Failure {
  return new Failure(EXIT.failed, "another connection was faster");
}

function otherKey(): Failure {
  return new Failure(
    EXIT.protocol,
    "the key there is not the one that the server told",
    { advice: "The server, or somebody on the way, may sit between you." },
  );
}
