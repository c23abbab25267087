/**
 * Signalling of direct sessions: CALL, ACCEPT and DECLINE, outgoing and incoming.
 * A call that is accepted becomes a {@linkcode Rendezvous}, which its
 * owner disposes of.
 *
 * The server and the callers are not trusted: a malformed frame is ignored, an
 * unknown answer is declined, and only {@linkcode MAX_RINGING} calls ring at once.
 * Calls without end are declined only a few times a minute.
 * Two users who call each other at the same time have two calls.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import type { AnsweredVerb } from "../../core/net/connection.ts";
import {
  ChatError,
  type Frame,
  header,
  type Headers,
  isUserName,
  lookAlike,
} from "../../protocol.ts";
import { Failure } from "../view/failure.ts";
import { type Endpoint, endpointText } from "../trust/address.ts";
import { candidatesToDial } from "./candidates.ts";
import {
  Agreement,
  commitmentTo,
  newKeyPair,
  SESSION_BYTES,
} from "./handshake.ts";
import { Rendezvous } from "./rendezvous.ts";
import { numberOf } from "../../core/frames.ts";
import type { Announced } from "../files/transfer.ts";
import { DeclineLimit } from "../../core/requests.ts";
import type { Bytes } from "../../core/scram.ts";

/** How long a call rings, in milliseconds. */
const RING_MS = 60_000;

/** Limit of incoming calls that ring. */
const MAX_RINGING = 16;

/** So many answered calls are remembered, for repeated frames. */
const MAX_SETTLED = 100;

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
  /** SHA-256 of the caller's key. */
  readonly commit: Bytes;
  /** Where to dial the caller. */
  readonly candidates: readonly Endpoint[];
  /** Aborts when it stops ringing; the `ChatError` is empty if we ended it. */
  readonly ended: AbortSignal;
}

/** What {@linkcode Calls} needs. */
export interface CallsParts {
  /** Sends a request to the server. */
  request(
    verb: AnsweredVerb,
    args: readonly string[],
    headers: Headers,
  ): Promise<unknown>;
  /** The reason to decline any call of `name`, if there is one. */
  refusal(name: string): string | undefined;
  /** The server has passed on a call of ours. */
  passed?(name: string, offer: Offer): void;
  /** Gets each incoming call. */
  rings(call: Call): void;
  /** Milliseconds that never jump. Tests pass their own. */
  now?(): number;
  /** The only address to listen on. Default: all of this computer. */
  readonly hostname?: string | undefined;
}

/** An incoming call that rings, or was accepted. */
interface Incoming {
  readonly call: Call;
  end(why: string): void;
}

/** An outgoing call that rings. */
interface Outgoing {
  readonly name: string;
  readonly answer: PromiseWithResolvers<Accepted>;
}

interface Accepted {
  readonly key: Bytes;
  readonly candidates: readonly Endpoint[];
}

/** All calls of one user. */
export class Calls {
  readonly #parts: CallsParts;
  readonly #incoming = new Map<string, Incoming>(); // by session
  readonly #outgoing = new Map<string, Outgoing>(); // by session
  /** By session: those that were answered; undefined for an outgoing one. */
  readonly #settled = new Map<string, Incoming | undefined>();
  readonly #refused = new DeclineLimit();

  constructor(parts: CallsParts) {
    this.#parts = parts;
  }

  /** Incoming calls that ring, the oldest first. */
  get ringing(): Call[] {
    return Array.from(this.#incoming.values(), ({ call }) => call);
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
  ): Promise<Rendezvous> {
    const pair = await newKeyPair();
    const session = crypto.getRandomValues(new Uint8Array(SESSION_BYTES));
    await using open = new AsyncDisposableStack();
    const rendezvous = open.use(new Rendezvous(this.#parts));
    const id = session.toHex();
    const headers = {
      ...headersOf(id, rendezvous),
      Commit: (await commitmentTo(pair.publicKey)).toHex(),
      ...offerHeaders(offer),
    };
    const answer = await this.#ring(id, { name, offer, headers, signal });
    const keys = { session, pair, theirs: answer.key };
    const agreement = new Agreement({ role: "caller", ...keys });
    rendezvous.agree(agreement, answer.candidates);
    open.move(); // to our caller
    return rendezvous;
  }

  /**
   * Accepts a call.
   *
   * @throws {ChatError} If it does not ring any more, or the caller is gone.
   * @throws {Failure} If this computer cannot listen.
   */
  async accept(call: Call): Promise<Rendezvous> {
    const { name, session: id, commit: theirs, candidates } = call;
    if (!this.#incoming.has(id)) {
      throw new ChatError(118, `${name} has ended the call`);
    }
    this.#incoming.get(id)!.end("");
    const pair = await newKeyPair();
    const session = Uint8Array.fromHex(id);
    const agreement = new Agreement({ role: "called", session, pair, theirs });
    await using open = new AsyncDisposableStack();
    open.defer(() => this.#sendDecline(name, id, "cannot be reached directly"));
    const rendezvous = open.use(new Rendezvous(this.#parts));
    rendezvous.agree(agreement, candidates);
    this.#settle(id, { call, end: (why) => rendezvous.cancel(why) });
    const Key = pair.publicKey.toHex();
    const headers = { ...headersOf(id, rendezvous), Key };
    await this.#parts.request("ACCEPT", [name], headers);
    open.move(); // to our caller
    return rendezvous;
  }

  /** Declines a call, if it still rings. */
  decline({ name, session }: Call, reason: string): void {
    if (!this.#incoming.has(session)) return;
    this.#incoming.get(session)!.end("");
    this.#sendDecline(name, session, reason);
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

  /** Sends CALL, and waits for ACCEPT; sends DECLINE if it gives up. */
  async #ring(
    id: string,
    { name, offer, headers, signal }: {
      name: string;
      offer: Offer;
      headers: Headers;
      signal: AbortSignal;
    },
  ): Promise<Accepted> {
    signal.throwIfAborted();
    const answer = Promise.withResolvers<Accepted>();
    this.#outgoing.set(id, { name, answer });
    const called = this.#parts.request("CALL", [name], headers);
    const late = AbortSignal.timeout(RING_MS);
    const gaveUp = AbortSignal.any([signal, late]);
    try {
      const passed = called.then(() => this.#parts.passed?.(name, offer));
      const both = Promise.all([answer.promise, passed]);
      const [accepted] = await abortable(both, gaveUp);
      signal.throwIfAborted(); // we ended the call while it was accepted
      return accepted;
    } catch (error) {
      if (!gaveUp.aborted) throw error;
      const isLate = late.aborted;
      const why = isLate ? "there was no answer" : "cancelled by the caller";
      this.#sendDecline(name, id, why);
      throw isLate ? unanswered(name) : error;
    } finally {
      this.#outgoing.delete(id);
    }
  }

  #called(name: string, session: string, frame: Frame): void {
    const offer = offerOf(frame);
    const commit = keyOf(frame, "commit");
    if (!offer || !commit || this.#incoming.has(session)) return;
    if (this.#settled.has(session)) return; // repeated after a lost connection
    const isFull = this.#incoming.size >= MAX_RINGING;
    const refusal = this.#parts.refusal(name) ??
      (isFull ? "too many calls" : undefined);
    if (refusal) return this.#refuse(name, session, refusal);
    const ended = new AbortController();
    const end = (why: string) => {
      clearTimeout(late);
      this.#incoming.delete(session);
      ended.abort(new ChatError(118, why));
    };
    const late = setTimeout(end, RING_MS, `You did not answer ${name}`);
    const call: Call = {
      ...{ name, offer, session, commit },
      from: header(frame, "from") ?? "",
      candidates: candidatesOf(frame),
      ended: ended.signal,
    };
    this.#incoming.set(session, { call, end });
    this.#parts.rings(call);
  }

  #answered(name: string, session: string, frame: Frame): void {
    if (this.#settled.has(session)) return; // repeated after a lost connection
    const calling = this.#outgoing.get(session);
    const key = keyOf(frame, "key");
    if (!calling || !key || lookAlike(calling.name) !== lookAlike(name)) {
      return this.#refuse(name, session, "there is no such call");
    }
    this.#outgoing.delete(session); // only the first answer counts
    this.#settle(session, undefined);
    calling.answer.resolve({ key, candidates: candidatesOf(frame) });
  }

  #declined(name: string, session: string, frame: Frame): void {
    const reason = header(frame, "reason") ?? "no reason was given";
    const isFrom = (other: string) => lookAlike(other) === lookAlike(name);
    const calling = this.#outgoing.get(session);
    if (calling && isFrom(calling.name)) {
      calling.answer.reject(new ChatError(118, `${name} declined: ${reason}`));
    }
    const incoming = this.#incoming.get(session) ?? this.#settled.get(session);
    if (!incoming || !isFrom(incoming.call.name)) return;
    const isOffer = incoming.call.offer.purpose === "file";
    incoming.end(`${name} ended the ${isOffer ? "offer" : "call"}: ${reason}`);
  }

  #settle(session: string, answered: Incoming | undefined): void {
    this.#settled.set(session, answered);
    const [oldest] = this.#settled.keys();
    if (this.#settled.size > MAX_SETTLED) this.#settled.delete(oldest!);
  }

  /** Declines unasked. */
  #refuse(name: string, session: string, reason: string): void {
    const isAllowed = this.#refused.allows(this.#parts.now?.());
    if (isAllowed) this.#sendDecline(name, session, reason);
  }

  /** Errors do not matter: the other user may be gone. */
  #sendDecline(name: string, session: string, reason: string): void {
    const headers = { Session: session, Reason: reason };
    this.#parts.request("DECLINE", [name], headers).catch((error) => {
      if (!(error instanceof ChatError || error instanceof Failure)) {
        throw error;
      }
    });
  }
}

const SESSION = /^[0-9a-f]{32}$/;
const KEY = /^[0-9a-f]{64}$/;

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

/** Where to dial the sender of a frame. */
function candidatesOf(frame: Frame): Endpoint[] {
  const offered = frame.headers.filter(([name]) => name === "address");
  const addresses = offered.map(([, value]) => value);
  return candidatesToDial(addresses, header(frame, "from"));
}

function keyOf(frame: Frame, name: string): Bytes | undefined {
  const value = header(frame, name) ?? "";
  return KEY.test(value) ? Uint8Array.fromHex(value) : undefined;
}

function unanswered(name: string): ChatError {
  const why = `${name} did not answer within ${RING_MS / 1_000} seconds`;
  return new ChatError(118, `${why}, or uses a client without direct sessions`);
}
