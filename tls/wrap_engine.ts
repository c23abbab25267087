/**
 * TLS by what lies below a `TLSSocket`: its `TLSWrap`, which is written in Rust. A
 * `TLSSocket` over a stream takes up to four times the time (Deno 2.9.6): it copies
 * what it has sealed, leaves the copy to the collector of garbage, and passes each
 * write through two streams.
 *
 * A `TLSWrap` is no part of node:tls that is documented. {@linkcode findTlsWrap} finds
 * none if it is not as expected; socket_engine.ts needs none.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { type SecureContext, TLSSocket } from "node:tls";
import { release } from "../core/net/memory.ts";
import {
  notUnderstood,
  ReceivedText,
  type TlsEngine,
  type Writing,
} from "./engine.ts";
import { SealedStream } from "./sealed_stream.ts";

/**
 * The most that is sealed for one write: two records. What is longer would be
 * allocated and given back to the system each time.
 */
const SEALED_AT_ONCE = 32 * 1024;

/** What is used of a `TLSWrap`. */
interface TlsWrap {
  /** Called with text, or with nothing at the end. */
  onread: (text?: ArrayBuffer) => void;
  onhandshakedone: () => void;
  onerror: (error: Error) => void;
  /** These return 0, unless they fail. */
  initServerTls(context: object): number;
  attachJsStream(): number;
  start(): number;
  readStart(): number;
  /** Takes sealed bytes, and calls the callbacks. */
  readBuffer(bytes: Uint8Array): void;
  emitEof(): void;
  /** Seals `text`: 48 KiB of it at most. */
  writeBuffer(request: object, text: Uint8Array): number;
  /** Seals that we end. */
  shutdown(request: object): number;
  /** What is sealed, and not drained yet; empty if nothing is. */
  drainEncOut(): Uint8Array;
  /** Its callbacks are called on `handle`, which it holds until it is destroyed. */
  setHandle(handle: TlsWrap): void;
  destroySsl(): void;
}

/** Its class; `kind` is 1 for a server. */
type TlsWrapClass = new (kind: number, provider: number) => TlsWrap;

const METHODS: readonly Exclude<keyof TlsWrap, `on${string}`>[] = [
  ...["initServerTls", "attachJsStream", "start", "readStart"] as const,
  ...["readBuffer", "emitEof", "writeBuffer", "shutdown"] as const,
  ...["drainEncOut", "setHandle", "destroySsl"] as const,
];

let found: TlsWrapClass | null | undefined; // null if there is none

/** The class of what lies below a `TLSSocket`; null if it is not as expected. */
export function findTlsWrap(): TlsWrapClass | null {
  if (found !== undefined) return found;
  const below = new SealedStream(() => {}) as unknown as Duplex; // enough of one
  const socket = new TLSSocket(below, { isServer: true });
  // The cast: it is checked below.
  const { _handle: handle } = socket as unknown as { _handle?: TlsWrap };
  const fits = handle &&
    METHODS.every((name) => typeof handle[name] === "function");
  found = fits ? handle.constructor as TlsWrapClass : null;
  socket.destroy();
  return found;
}

/** A write that is not complete. */
interface Write {
  readonly bytes: Uint8Array;
  readonly done: (count: number) => void;
  readonly fail: (error: unknown) => void;
}

/** See the top of the file. */
export class WrapEngine implements TlsEngine {
  isSecure = false;
  isEnded = false;
  readonly received = new ReceivedText();
  readonly #stream: Writing;
  readonly #wrap: TlsWrap;
  readonly #writes: Write[] = [];
  #textBytes = 0; // of the first of them, so far
  #sealed: Uint8Array | undefined; // what is being written
  #sealedBytes = 0; // of that, so far
  #waiting: (() => void)[] = []; // for all to be written
  #error: unknown;

  // Made once: a write makes no closures for them.
  readonly #wrote = (count: number): void => {
    const sealed = this.#sealed;
    if (!sealed) return; // it is destroyed
    this.#sealedBytes += count;
    if (this.#sealedBytes < sealed.length) {
      return this.#write(sealed.subarray(this.#sealedBytes));
    }
    this.#sealed = undefined;
    release(sealed);
    this.#goOn();
  };

  readonly #fail = (error: unknown): void => {
    this.#error ??= error;
    this.#sealed = undefined;
    for (const { fail } of this.#writes.splice(0)) fail(error);
    this.#wake();
  };

  /** `Wrap` is what {@linkcode findTlsWrap} has found. */
  constructor(stream: Writing, context: SecureContext, Wrap: TlsWrapClass) {
    this.#stream = stream;
    const wrap = this.#wrap = new Wrap(SERVER, 0);
    check(wrap.initServerTls({ ...certified(context), requestCert: false }));
    check(wrap.attachJsStream());
    wrap.setHandle(wrap);
    wrap.onhandshakedone = () => this.isSecure = true;
    wrap.onerror = (error) => this.#error ??= notUnderstood(error);
    wrap.onread = (text) => {
      if (text) this.received.push(new Uint8Array(text));
      else this.isEnded = true;
    };
    check(wrap.start());
    check(wrap.readStart());
  }

  receive(bytes: Uint8Array | null): void {
    if (bytes) this.#wrap.readBuffer(bytes);
    else {
      this.#wrap.emitEof();
      this.isEnded = true;
    }
    this.#goOn(); // there may be an answer, of the handshake or an alert
    if (this.#error) throw this.#error;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((done, fail) => {
      if (this.#error) return fail(this.#error);
      this.#writes.push({ bytes, done, fail });
      this.#goOn();
    });
  }

  async end(): Promise<void> {
    await this.#written();
    if (this.#error) return;
    this.#wrap.shutdown(REQUEST);
    this.#goOn();
    await this.#written();
  }

  destroy(): void {
    this.#fail(new Deno.errors.BadResource("closed"));
    this.#wrap.destroySsl();
  }

  /** Seals and writes what is next, unless a write is under way. */
  #goOn(): void {
    while (!this.#sealed) {
      const text = this.#nextText();
      if (text) this.#wrap.writeBuffer(REQUEST, text);
      const sealed = this.#wrap.drainEncOut();
      if (sealed.length === 0) {
        if (text) continue;
        return this.#wake();
      }
      this.#sealed = sealed;
      this.#sealedBytes = 0;
      this.#write(sealed);
    }
  }

  #write(bytes: Uint8Array): void {
    this.#stream.write(bytes).then(this.#wrote, this.#fail);
  }

  /** What is sealed next. It ends the first write if all of that is written. */
  #nextText(): Uint8Array | undefined {
    if (!this.isSecure) return undefined;
    let write = this.#writes[0];
    while (write && this.#textBytes === write.bytes.length) {
      this.#writes.shift();
      this.#textBytes = 0;
      write.done(write.bytes.length);
      write = this.#writes[0];
    }
    if (!write) return undefined;
    const start = this.#textBytes;
    const end = Math.min(start + SEALED_AT_ONCE, write.bytes.length);
    this.#textBytes = end;
    return write.bytes.subarray(start, end);
  }

  /** Resolves when all is written, or cannot be. */
  #written(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#sealed || this.#writes.length > 0) this.#waiting.push(resolve);
    else resolve();
    return promise;
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** The `kind` of a server's `TLSWrap`. */
const SERVER = 1;

/** What a `TLSWrap` tells that it has written. It writes nothing itself. */
const REQUEST = Object.freeze({});

/** The certificate and the key of a context, as a `TLSWrap` reads them. */
function certified(context: SecureContext): object {
  return (context as { context: object }).context; // the cast: it is no type of Node
}

function check(status: number): void {
  if (status !== 0) throw new Error(`Cannot use TLSWrap: it returns ${status}`);
}
