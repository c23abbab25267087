/**
 * Signalling of direct sessions: CALL, ACCEPT and DECLINE, outgoing and incoming.
 * A call that is accepted becomes an {@linkcode EstablishedCall}: a rendezvous,
 * and the key agreement to prove there.
 *
 * The server and the callers are not trusted: a malformed frame is ignored, an
 * unknown answer is declined, and only {@linkcode MAX_RINGING} calls ring at once.
 * Two users who call each other at the same time have two calls.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  header,
  type Headers,
  isUserName,
  lookAlike,
  type RequestVerb,
} from "../../protocol.ts";
import type { Announced } from "../files/transfers.ts";
import { endpointText } from "../trust/address.ts";
import { Failure } from "../view/failure.ts";
import { Agreement, KEY_BYTES, KeyPair, SESSION_BYTES } from "./handshake.ts";
import { Rendezvous } from "./rendezvous.ts";
import { candidatesToDial } from "./candidates.ts";
import { numberOf } from "../../core/frames.ts";
import type { Bytes } from "../../core/scram.ts";

/** How long a call rings, in milliseconds. */
export const RING_MS = 60_000;

/** Limit of incoming calls that ring. */
export const MAX_RINGING = 8;

/** So many answered calls are remembered, for repeated frames. */
const MAX_SETTLED = 100;

/** Limit of DECLINE requests that the server has not answered. */
const MAX_DECLINING = 100;

/** The purpose of a call. */
export type Offer =
  | { readonly purpose: "chat" }
  | { readonly purpose: "file" } & Announced;

/** An incoming call. */
export interface Call {
  /** The caller. */
  readonly name: string;
  /** The caller's address, as the server sees it. */
  readonly from: string;
  readonly offer: Offer;
  /** Its id, in hexadecimal digits. */
  readonly session: string;
  /** Aborts when it stops ringing; the `ChatError` is empty if we ended it. */
  readonly ended: AbortSignal;
}

/** A call that was accepted. Its owner disposes of the rendezvous. */
export interface EstablishedCall {
  /** The other user. */
  readonly name: string;
  readonly rendezvous: Rendezvous;
  readonly agreement: Agreement;
}

/** What {@linkcode Calls} needs. */
export interface CallsParts {
  /** Sends a request to the server. */
  request(
    verb: RequestVerb,
    args: readonly string[],
    headers: Headers,
  ): Promise<unknown>;
  /** The reason to decline any call of `name`, if there is one. */
  refusal(name: string): string | undefined;
  /** Gets each incoming call. */
  rings(call: Call): void;
  /** The only address to listen on. Default: all of this computer. */
  readonly hostname?: string | undefined;
  /** How long a call rings. Default {@linkcode RING_MS}. */
  readonly ringMs?: number;
}

/** An incoming call that rings. */
interface Incoming {
  readonly call: Call;
  readonly commit: Bytes;
  readonly addresses: readonly string[];
  end(why: ChatError): void;
}

/** An outgoing call that rings. */
interface Outgoing {
  readonly name: string;
  readonly answer: PromiseWithResolvers<Accepted>;
}

interface Accepted {
  readonly key: Bytes;
  readonly addresses: readonly string[];
  readonly from: string | undefined;
}

/** All calls of one user. */
export class Calls implements Disposable {
  readonly #parts: CallsParts;
  readonly #ringMs: number;
  readonly #incoming = new Map<string, Incoming>(); // by session
  readonly #outgoing = new Map<string, Outgoing>(); // by session
  readonly #settled = new Map<string, Rendezvous | undefined>(); // by session
  #declining = 0;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    this.#ringMs = parts.ringMs ?? RING_MS;
  }

  /**
   * Calls a user, and waits for the answer.
   *
   * @throws {ChatError} 118 if the user declines or does not answer; the server's
   * error, if it does not pass the call on.
   * @throws {unknown} The signal's reason, if it aborts.
   */
  async call(
    name: string,
    offer: Offer,
    signal: AbortSignal,
  ): Promise<EstablishedCall> {
    const pair = await KeyPair.make();
    const session = crypto.getRandomValues(new Uint8Array(SESSION_BYTES));
    const rendezvous = new Rendezvous({ hostname: this.#parts.hostname });
    const id = session.toHex();
    try {
      const commit = await pair.commitment();
      const headers = {
        ...headersOf(id, rendezvous),
        Commit: commit.toHex(),
        ...offerHeaders(offer),
      };
      const accepted = await this.#ring(id, name, headers, signal);
      const { key: theirs, addresses, from } = accepted;
      const role = "caller";
      const agreement = new Agreement({ role, session, pair, theirs });
      rendezvous.agree(agreement, candidatesToDial(addresses, from));
      return { name, rendezvous, agreement };
    } catch (error) {
      await rendezvous[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Accepts a call.
   *
   * @throws {ChatError} If it does not ring any more, or the caller is gone.
   * @throws {Failure} If this computer cannot listen.
   */
  async accept(call: Call): Promise<EstablishedCall> {
    const ringing = this.#incoming.get(call.session);
    if (!ringing) throw new ChatError(118, `${call.name} has ended the call`);
    ringing.end(new ChatError(118, ""));
    const { name, from, session } = call;
    const pair = await KeyPair.make();
    const agreement = new Agreement({
      role: "called",
      session: Uint8Array.fromHex(session),
      pair,
      theirs: ringing.commit,
    });
    const rendezvous = this.#rendezvousFor(call);
    rendezvous.agree(agreement, candidatesToDial(ringing.addresses, from));
    this.#settle(session, rendezvous);
    try {
      await this.#parts.request("ACCEPT", [name], {
        ...headersOf(session, rendezvous),
        Key: pair.publicKey.toHex(),
      });
    } catch (error) {
      await rendezvous[Symbol.asyncDispose]();
      throw error;
    }
    return { name, rendezvous, agreement };
  }

  /** Declines a call. */
  decline(call: Call, reason: string): void {
    const ringing = this.#incoming.get(call.session);
    if (!ringing) return;
    ringing.end(new ChatError(118, ""));
    this.#sendDecline(call.name, call.session, reason);
  }

  /** Handles a CALL, ACCEPT or DECLINE from the server. */
  receive(frame: Frame): void {
    const [name = ""] = frame.args;
    const session = header(frame, "session") ?? "";
    if (!isUserName(name) || !SESSION.test(session)) return;
    if (frame.verb === "CALL") this.#called(name, session, frame);
    else if (frame.verb === "ACCEPT") this.#answered(name, session, frame);
    else if (frame.verb === "DECLINE") this.#declined(name, session, frame);
  }

  /** @throws {Failure} If this computer cannot listen; the caller is told. */
  #rendezvousFor({ name, session }: Call): Rendezvous {
    try {
      return new Rendezvous({ hostname: this.#parts.hostname });
    } catch (error) {
      this.#sendDecline(name, session, "cannot be reached directly");
      throw error;
    }
  }

  /** Ends all calls. */
  [Symbol.dispose](): void {
    const why = new ChatError(118, "you left");
    for (const { call } of this.#incoming.values()) this.decline(call, "left");
    for (const { answer } of this.#outgoing.values()) answer.reject(why);
  }

  /** Sends CALL, and waits for ACCEPT; sends DECLINE if it gives up. */
  async #ring(
    id: string,
    name: string,
    headers: Headers,
    signal: AbortSignal,
  ): Promise<Accepted> {
    signal.throwIfAborted();
    const answer = Promise.withResolvers<Accepted>();
    this.#outgoing.set(id, { name, answer });
    const stop = () => {
      this.#sendDecline(name, id, "canceled by the caller");
      answer.reject(signal.reason);
    };
    const timer = setTimeout(() => {
      this.#sendDecline(name, id, "there was no answer");
      const seconds = this.#ringMs / 1_000;
      const message = `${name} did not answer within ${seconds} seconds, ` +
        "or uses a client without direct sessions";
      answer.reject(new ChatError(118, message));
    }, this.#ringMs);
    signal.addEventListener("abort", stop, { once: true });
    try {
      const called = this.#parts.request("CALL", [name], headers);
      const [accepted] = await Promise.all([answer.promise, called]);
      signal.throwIfAborted(); // we ended the call while it was accepted
      return accepted;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      this.#outgoing.delete(id);
    }
  }

  #called(name: string, session: string, frame: Frame): void {
    const offer = offerOf(frame);
    const commit = keyOf(frame, "commit");
    if (!offer || !commit || this.#incoming.has(session)) return;
    if (this.#settled.has(session)) return; // repeated after a lost connection
    const isTooMany = this.#incoming.size >= MAX_RINGING;
    const refusal = this.#parts.refusal(name) ||
      (isTooMany && "too many calls");
    if (refusal) return this.#sendDecline(name, session, refusal);
    const ended = new AbortController();
    const from = header(frame, "from") ?? "";
    const call: Call = { name, from, offer, session, ended: ended.signal };
    const late = setTimeout(() => {
      end(new ChatError(118, `You did not answer ${name}`));
    }, this.#ringMs);
    const end = (why: ChatError) => {
      clearTimeout(late);
      this.#incoming.delete(session);
      ended.abort(why);
    };
    const addresses = addressesOf(frame);
    this.#incoming.set(session, { call, commit, addresses, end });
    this.#parts.rings(call);
  }

  #answered(name: string, session: string, frame: Frame): void {
    if (this.#settled.has(session)) return; // repeated after a lost connection
    const calling = this.#outgoing.get(session);
    const key = keyOf(frame, "key");
    if (!calling || !key || lookAlike(calling.name) !== lookAlike(name)) {
      return this.#sendDecline(name, session, "there is no such call");
    }
    this.#outgoing.delete(session); // only the first answer counts
    this.#settle(session, undefined);
    const from = header(frame, "from");
    calling.answer.resolve({ key, addresses: addressesOf(frame), from });
  }

  #declined(name: string, session: string, frame: Frame): void {
    const reason = header(frame, "reason") ?? "no reason was given";
    const isFrom = (other: string | undefined) =>
      other !== undefined && lookAlike(other) === lookAlike(name);
    const calling = this.#outgoing.get(session);
    if (calling && isFrom(calling.name)) {
      calling.answer.reject(new ChatError(118, `${name} declined: ${reason}`));
    }
    const ringing = this.#incoming.get(session);
    if (ringing && isFrom(ringing.call.name)) {
      ringing.end(new ChatError(118, `${name} ended the call: ${reason}`));
    }
    this.#settled.get(session)?.cancel(`${name} ended the call: ${reason}`);
  }

  #settle(session: string, rendezvous: Rendezvous | undefined): void {
    this.#settled.set(session, rendezvous);
    const [oldest] = this.#settled.keys();
    if (this.#settled.size > MAX_SETTLED) this.#settled.delete(oldest!);
  }

  /**
   * Errors do not matter: the other user may be gone. The limit is for a server
   * that floods us with calls.
   */
  #sendDecline(name: string, session: string, reason: string): void {
    if (this.#declining >= MAX_DECLINING) return;
    this.#declining++;
    const headers = { Session: session, Reason: reason };
    this.#parts.request("DECLINE", [name], headers).catch((error) => {
      const isTold = error instanceof ChatError || error instanceof Failure;
      if (!isTold) throw error;
    }).finally(() => this.#declining--);
  }
}

const SESSION = /^[0-9a-f]{32}$/;

function headersOf(session: string, { candidates }: Rendezvous): Headers {
  return { Session: session, Address: candidates.map(endpointText) };
}

function offerHeaders(offer: Offer): Headers {
  if (offer.purpose === "chat") return { Purpose: "chat" };
  const { purpose, name, size, files } = offer;
  return { Purpose: purpose, Name: name, Size: size, Files: files };
}

function offerOf(frame: Frame): Offer | undefined {
  const purpose = header(frame, "purpose");
  if (purpose === "chat") return { purpose };
  const name = header(frame, "name");
  const size = numberOf(frame, "size");
  const files = numberOf(frame, "files") ?? 1;
  if (purpose !== "file" || !name || size === undefined) return undefined;
  return { purpose, name, size, files };
}

function addressesOf(frame: Frame): string[] {
  return frame.headers.filter(([name]) => name === "address")
    .map(([, value]) => value);
}

function keyOf(frame: Frame, name: string): Bytes | undefined {
  const value = header(frame, name) ?? "";
  const digits = 2 * KEY_BYTES;
  if (value.length !== digits || !/^[0-9a-f]*$/.test(value)) return undefined;
  return Uint8Array.fromHex(value);
}
