/**
 * The key of one direction of a channel: what it seals, only the other side
 * opens, and only in its place.
 *
 * As TLS 1.3 does it (RFC 8446, sections 5.2, 5.3 and 7.2): AES-256-GCM, whose
 * nonce is the number of the record, mixed with a secret start. A record that
 * is changed, repeated, left out or moved cannot be opened. The number starts
 * again with the next key, which both sides make from the last one after
 * {@linkcode MAX_BYTES_UNDER_KEY}, without a word between them.
 *
 * @module
 */
import type { Bytes } from "../../core/scram.ts";

/**
 * So much is sealed under one key, in bytes. RFC 8446, section 5.5 allows 2^38.5
 * for a chance of 2^-57; a record is 17 bytes at least here, so that its number
 * stays below 2^32.
 */
export const MAX_BYTES_UNDER_KEY: number = 2 ** 36;

/** Length of a secret, in bytes. */
export const SECRET_BYTES = 32;

/** Length of what AES-GCM adds to a record, in bytes. */
export const TAG_BYTES = 16;

const NONCE_BYTES = 12;

/** See the top of the file. */
export class RecordKey {
  readonly #maxBytes: number;
  #secret: Bytes;
  #key: CryptoKey;
  #start: Bytes;
  #number = 0;
  #bytes = 0;

  private constructor(
    { secret, key, start }: Derived,
    maxBytes: number,
  ) {
    this.#secret = secret;
    this.#key = key;
    this.#start = start;
    this.#maxBytes = maxBytes;
  }

  /** The key from a secret that both sides have. Tests pass their own limit. */
  static async from(
    secret: Bytes,
    maxBytes: number = MAX_BYTES_UNDER_KEY,
  ): Promise<RecordKey> {
    return new RecordKey(await derive(secret), maxBytes);
  }

  /** Whether {@linkcode renew} has to come before the next record. */
  get spent(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** Goes on to the next key. Nothing leads back from it to the one before. */
  async renew(): Promise<void> {
    const next = await derive(await expand(this.#secret, "next"));
    this.#secret = next.secret;
    this.#key = next.key;
    this.#start = next.start;
    this.#number = 0;
    this.#bytes = 0;
  }

  /** Encrypts the next record. Both buffers are free again at once. */
  seal(head: Bytes, record: Bytes): Promise<ArrayBuffer> {
    const how = this.#next(head, record.length + TAG_BYTES);
    return crypto.subtle.encrypt(how, this.#key, record);
  }

  /**
   * Decrypts the next record. Both buffers are free again at once.
   *
   * @throws {DOMException} If it is not what the other side has sealed as such.
   */
  open(head: Bytes, sealed: Bytes): Promise<ArrayBuffer> {
    const how = this.#next(head, sealed.length);
    return crypto.subtle.decrypt(how, this.#key, sealed);
  }

  #next(additionalData: Bytes, bytes: number): AesGcmParams {
    this.#bytes += bytes;
    const iv = this.#start.slice();
    const view = new DataView(iv.buffer);
    const at = NONCE_BYTES - 4; // its last 32 bits, which the number fits
    view.setUint32(at, (view.getUint32(at) ^ this.#number++) >>> 0);
    return { name: "AES-GCM", iv, additionalData };
  }
}

interface Derived {
  readonly secret: Bytes;
  readonly key: CryptoKey;
  readonly start: Bytes;
}

async function derive(secret: Bytes): Promise<Derived> {
  const raw = await expand(secret, "key");
  const usages = ["encrypt", "decrypt"] as const;
  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, [
    ...usages,
  ]);
  const start = await expand(secret, "nonce", NONCE_BYTES);
  return { secret, key, start };
}

/** What else a secret is good for, under a name of its own. */
function expand(
  secret: Bytes,
  name: string,
  length: number = SECRET_BYTES,
): Promise<Bytes> {
  return hkdf(secret, { salt: NO_SALT, info: [name], length });
}

const NO_SALT: Bytes = new Uint8Array();

/** What {@linkcode hkdf} mixes in. */
export interface HkdfOptions {
  /** Public, and different each time. */
  readonly salt: Bytes;
  /** What it is for: texts, and whatever else both sides must agree on. */
  readonly info: readonly (string | Bytes)[];
  /** How much is wanted, in bytes. Default {@linkcode SECRET_BYTES}. */
  readonly length?: number;
}

/** HKDF (RFC 5869) with SHA-256. */
export async function hkdf(
  secret: Bytes,
  { salt, info, length = SECRET_BYTES }: HkdfOptions,
): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, [
    "deriveBits",
  ]);
  const parts = ["parley/1 direct ", ...info];
  const about = new Uint8Array(await new Blob(parts).arrayBuffer());
  const how = { name: "HKDF", hash: "SHA-256", salt, info: about };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * length));
}
