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
const SECRET_BYTES = 32;

/** Length of what AES-GCM adds to a record, in bytes. */
export const TAG_BYTES = 16;

const NONCE_BYTES = 12;

/** One key, and its successors. */
export class RecordKey {
  readonly #maxBytes: number;
  #derived: Derived;
  #number = 0;
  #bytes = 0;

  private constructor(derived: Derived, maxBytes: number) {
    this.#derived = derived;
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
    const secret = await expand(this.#derived.secret, "next");
    this.#derived = await derive(secret);
    this.#number = 0;
    this.#bytes = 0;
  }

  /** Encrypts the next record. Both buffers may be reused at once. */
  seal(head: Bytes, record: Bytes): Promise<ArrayBuffer> {
    const how = this.#next(head, record.length + TAG_BYTES);
    return crypto.subtle.encrypt(how, this.#derived.key, record);
  }

  /**
   * Decrypts the next record. Both buffers may be reused at once.
   *
   * @throws {DOMException} If the other side has not sealed it as this record.
   */
  open(head: Bytes, sealed: Bytes): Promise<ArrayBuffer> {
    const how = this.#next(head, sealed.length);
    return crypto.subtle.decrypt(how, this.#derived.key, sealed);
  }

  #next(additionalData: Bytes, bytes: number): AesGcmParams {
    this.#bytes += bytes;
    const iv = this.#derived.start.slice();
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
  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
  const start = await expand(secret, "nonce", NONCE_BYTES);
  return { secret, key, start };
}

/** Another secret, derived under a name. */
function expand(secret: Bytes, name: string, length?: number): Promise<Bytes> {
  return hkdf(secret, { salt: new Uint8Array(), info: [name], length });
}

/**
 * HKDF (RFC 5869) with SHA-256. The salt is public, and different for each use of
 * one secret. `info` is the purpose: texts, and values on which both sides must
 * agree. The length is in bytes; default {@linkcode SECRET_BYTES}.
 */
export async function hkdf(
  secret: Bytes,
  { salt, info, length = SECRET_BYTES }: {
    readonly salt: Bytes;
    readonly info: readonly (string | Bytes)[];
    readonly length?: number | undefined;
  },
): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, [
    "deriveBits",
  ]);
  const parts = ["parley/1 direct ", ...info];
  const about = new Uint8Array(await new Blob(parts).arrayBuffer());
  const how = { name: "HKDF", hash: "SHA-256", salt, info: about };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * length));
}
