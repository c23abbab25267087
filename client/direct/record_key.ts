/**
 * The key of one direction of a channel. Only the other side can open a record,
 * and only in its place in the order.
 *
 * As in TLS 1.3 (RFC 8446, sections 5.2, 5.3 and 7.2): AES-256-GCM with the
 * record's number as nonce, combined with a secret start. A record that is
 * changed, repeated, left out or moved cannot be opened. After
 * {@linkcode MAX_BYTES_UNDER_KEY} both sides derive the next key from the last
 * one, without a message, and the number starts again.
 *
 * @module
 */
import type { Bytes } from "../../core/scram.ts";

/**
 * Limit of bytes sealed under one key. RFC 8446, section 5.5 allows 2^38.5 for a
 * chance of 2^-57. A record has at least 17 bytes here, so its number stays below
 * 2^32.
 */
export const MAX_BYTES_UNDER_KEY: number = 2 ** 36;

/** Length of a secret, in bytes. */
export const SECRET_BYTES = 32;

/** Length of what AES-GCM adds to a record, in bytes. */
export const TAG_BYTES = 16;

const NONCE_BYTES = 12;

/** One key, and its successors. */
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

  /** Derives a key from a shared secret. Tests pass their own limit. */
  static async from(
    secret: Bytes,
    maxBytes: number = MAX_BYTES_UNDER_KEY,
  ): Promise<RecordKey> {
    return new RecordKey(await derive(secret), maxBytes);
  }

  /** Whether {@linkcode renew} must be called before the next record. */
  get spent(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** Derives the next key; the last one cannot be derived from it. */
  async renew(): Promise<void> {
    const next = await derive(await expand(this.#secret, "next"));
    this.#secret = next.secret;
    this.#key = next.key;
    this.#start = next.start;
    this.#number = 0;
    this.#bytes = 0;
  }

  /** Encrypts the next record. Both buffers may be reused at once. */
  seal(head: Bytes, record: Bytes): Promise<ArrayBuffer> {
    const how = this.#next(head, record.length + TAG_BYTES);
    return crypto.subtle.encrypt(how, this.#key, record);
  }

  /**
   * Decrypts the next record. Both buffers may be reused at once.
   *
   * @throws {DOMException} If the other side has not sealed it as this record.
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

/** Another secret, derived under a name. */
function expand(
  secret: Bytes,
  name: string,
  length: number = SECRET_BYTES,
): Promise<Bytes> {
  return hkdf(secret, { salt: NO_SALT, info: [name], length });
}

const NO_SALT: Bytes = new Uint8Array();

/** Settings of {@linkcode hkdf}. */
export interface HkdfOptions {
  /** Public; different for each use of one secret. */
  readonly salt: Bytes;
  /** The purpose: texts, and values on which both sides must agree. */
  readonly info: readonly (string | Bytes)[];
  /** In bytes. Default {@linkcode SECRET_BYTES}. */
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
