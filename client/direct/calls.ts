/**
 * Who wants to talk directly, and with whom: CALL, ACCEPT and DECLINE, ours and
 * the others'. What comes of it is an {@linkcode EstablishedCall}: a rendezvous, and the
 * agreement to prove there.
 *
 * The server and the callers are not trusted: what has another form is ignored,
 * what was not asked is declined, and only so many calls ring at once. Two who
 * call each other at once have two calls, like everywhere.
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
import { Failure } from "../view/failure.ts";
import { Agreement, KEY_BYTES, KeyPair, SESSION_BYTES } from "./handshake.ts";
import { Rendezvous } from "./rendezvous.ts";
import { candidatesToDial, candidateText } from "./candidates.ts";
import { numberOf } from "../../core/frames.ts";
import type { Bytes } from "../../core/scram.ts";

/** So long a call rings, in milliseconds. */
export const RING_MS = 60_000;

/** So many calls ring at once. */
export const MAX_RINGING = 8;

/** So many answered calls are known again when a frame is repeated. */
const MAX_SETTLED = 100;

/** So many calls that we declined may be unanswered by the server at once. */
const MAX_DECLINING = 100;

/** What somebody calls for. */
export type Offer =
  | { readonly purpose: "chat" }
  | {
    readonly purpose: "file";
    /** As the sender calls it. Not to be trusted. */
    readonly name: string;
    /** In bytes; of all files, if there are several. */
    readonly size: number;
    /** How many. */
    readonly files: number;
  };

/** A call that reached us. */
export interface Call {
  /** Who calls. */
  readonly name: string;
  /** From where, as the server sees it. */
  readonly from: string;
  /** What for. */
  readonly offer: Offer;
  /** Its id, in hexadecimal digits. */
  readonly session: string;
  /** Aborts when it rings no more; its `ChatError` says why, if we do not know. */
  readonly ended: AbortSignal;
}

/** Two who were introduced to each other. Dispose of the rendezvous in the end. */
export interface EstablishedCall {
  /** The other one. */
  readonly name: string;
  /** Where channels come from. */
  readonly rendezvous: Rendezvous;
  /** What is proved there; it has the digits to compare. */
  readonly agreement: Agreement;
}

/** What {@linkcode Calls} need. */
export interface CallsParts {
  /** Asks the server. */
  request(
    verb: RequestVerb,
    args: readonly string[],
    headers: Headers,
  ): Promise<unknown>;
  /** Why `name` may not call us, if it is so. */
  refusal(name: string): string | undefined;
  /** Is told of a call. */
  rings(call: Call): void;
  /** The only address to listen on. Default: all of this computer. */
  readonly hostname?: string | undefined;
  /** How long a call rings. Default {@linkcode RING_MS}. */
  readonly ringMs?: number;
}

/** A call that rings, here. */
interface Ringing {
  readonly call: Call;
  readonly commit: Bytes;
  readonly addresses: readonly string[];
  end(why: ChatError): void;
}

/** A call that rings, there. */
interface Calling {
  readonly name: string;
  readonly answer: PromiseWithResolvers<Accepted>;
}

interface Accepted {
  readonly key: Bytes;
  readonly addresses: readonly string[];
  readonly from: string | undefined;
}

/** See the top of the file. */
export class Calls implements Disposable {
  readonly #parts: CallsParts;
  readonly #ringMs: number;
  readonly #ringing = new Map<string, Ringing>(); // by session
  readonly #calling = new Map<string, Calling>(); // by session
  readonly #settled = new Map<string, Rendezvous | undefined>(); // by session
  #declining = 0;

  /** Nobody calls yet. */
  constructor(parts: CallsParts) {
    this.#parts = parts;
    this.#ringMs = parts.ringMs ?? RING_MS;
  }

  /**
   * Calls somebody, and waits for the answer.
   *
   * @throws {ChatError} 118 if the other side declines or does not answer; what
   * the server says, if it does not pass the call on.
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
      const { key, addresses, from } = await this.#ring(id, {
        name,
        headers,
        signal,
      });
      const agreement = new Agreement({
        role: "caller",
        session,
        pair,
        theirs: key,
      });
      rendezvous.agree(agreement, candidatesToDial(addresses, from));
      return { name, rendezvous, agreement };
    } catch (error) {
      await rendezvous[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Answers a call with yes.
   *
   * @throws {ChatError} If it rings no more, or the caller is gone.
   * @throws {Failure} If the system does not let us listen.
   */
  async accept(call: Call): Promise<EstablishedCall> {
    const ringing = this.#ringing.get(call.session);
    if (!ringing) throw new ChatError(118, `${call.name} calls no more`);
    this.#ringing.delete(call.session);
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

  /** Answers a call with no. */
  decline(call: Call, reason: string): void {
    const ringing = this.#ringing.get(call.session);
    if (!ringing) return;
    this.#ringing.delete(call.session);
    ringing.end(new ChatError(118, ""));
    this.#sayDecline(call.name, call.session, reason);
  }

  /** Takes a CALL, an ACCEPT or a DECLINE that the server has passed on. */
  receive(frame: Frame): void {
    const [name = ""] = frame.args;
    const session = header(frame, "session") ?? "";
    if (!isUserName(name) || !SESSION.test(session)) return;
    if (frame.verb === "CALL") this.#called(name, session, frame);
    else if (frame.verb === "ACCEPT") this.#answered(name, session, frame);
    else if (frame.verb === "DECLINE") this.#declined(name, session, frame);
  }

  /** Where to meet whoever calls; who waits there is told if that is nowhere. */
  #rendezvousFor({ name, session }: Call): Rendezvous {
    try {
      return new Rendezvous({ hostname: this.#parts.hostname });
    } catch (error) {
      this.#sayDecline(name, session, "cannot be reached directly");
      throw error;
    }
  }

  /** Nothing rings any more. */
  [Symbol.dispose](): void {
    const why = new ChatError(118, "we left");
    for (const { call } of this.#ringing.values()) this.decline(call, "left");
    for (const { answer } of this.#calling.values()) answer.reject(why);
  }

  /** Sends CALL, and waits for ACCEPT; whoever does not wait says so. */
  async #ring(
    id: string,
    { name, headers, signal }: {
      name: string;
      headers: Headers;
      signal: AbortSignal;
    },
  ): Promise<Accepted> {
    signal.throwIfAborted();
    const answer = Promise.withResolvers<Accepted>();
    this.#calling.set(id, { name, answer });
    const stop = () => {
      this.#sayDecline(name, id, "the caller hung up");
      answer.reject(signal.reason);
    };
    const timer = setTimeout(() => {
      this.#sayDecline(name, id, "the caller gave up");
      answer.reject(unanswered(name, this.#ringMs));
    }, this.#ringMs);
    signal.addEventListener("abort", stop, { once: true });
    try {
      const called = this.#parts.request("CALL", [name], headers);
      const [accepted] = await Promise.all([answer.promise, called]);
      signal.throwIfAborted(); // we hung up just when they accepted
      return accepted;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      this.#calling.delete(id);
    }
  }

  #called(name: string, session: string, frame: Frame): void {
    const offer = offerOf(frame);
    const commit = keyOf(frame, "commit");
    if (!offer || !commit || this.#ringing.has(session)) return;
    if (this.#settled.has(session)) return; // said again after a loss
    const tooMany = this.#ringing.size >= MAX_RINGING
      ? "too many others call"
      : undefined;
    const refusal = this.#parts.refusal(name) ?? tooMany;
    if (refusal) return this.#sayDecline(name, session, refusal);
    const ended = new AbortController();
    const from = header(frame, "from") ?? "";
    const call: Call = { name, from, offer, session, ended: ended.signal };
    const late = setTimeout(() => {
      this.#ringing.delete(session);
      end(new ChatError(118, `${name} was not answered`));
    }, this.#ringMs);
    const end = (why: ChatError) => {
      clearTimeout(late);
      ended.abort(why);
    };
    const addresses = addressesOf(frame);
    this.#ringing.set(session, { call, commit, addresses, end });
    this.#parts.rings(call);
  }

  #answered(name: string, session: string, frame: Frame): void {
    if (this.#settled.has(session)) return; // said again after a loss
    const calling = this.#calling.get(session);
    const key = keyOf(frame, "key");
    if (!calling || !key || lookAlike(calling.name) !== lookAlike(name)) {
      return this.#sayDecline(name, session, "there is no such call");
    }
    this.#calling.delete(session); // the first answer counts
    this.#settle(session, undefined);
    const from = header(frame, "from");
    calling.answer.resolve({ key, addresses: addressesOf(frame), from });
  }

  #declined(name: string, session: string, frame: Frame): void {
    const reason = header(frame, "reason") ?? "no reason was given";
    const isFrom = (other: string | undefined) =>
      other !== undefined && lookAlike(other) === lookAlike(name);
    const calling = this.#calling.get(session);
    if (calling && isFrom(calling.name)) {
      calling.answer.reject(new ChatError(118, `${name} declined: ${reason}`));
    }
    const ringing = this.#ringing.get(session);
    if (ringing && isFrom(ringing.call.name)) {
      this.#ringing.delete(session);
      ringing.end(new ChatError(118, `${name} calls no more: ${reason}`));
    }
    this.#settled.get(session)?.cancel(`${name} calls no more: ${reason}`);
  }

  #settle(session: string, rendezvous: Rendezvous | undefined): void {
    this.#settled.set(session, rendezvous);
    const [oldest] = this.#settled.keys();
    if (this.#settled.size > MAX_SETTLED) this.#settled.delete(oldest!);
  }

  /**
   * Tells whoever called, or was called. That they are gone is no news. A server
   * that has more calls for us than it takes answers is flooding us.
   */
  #sayDecline(name: string, session: string, reason: string): void {
    if (this.#declining >= MAX_DECLINING) return;
    this.#declining++;
    const headers = { Session: session, Reason: reason };
    this.#parts.request("DECLINE", [name], headers).catch((error) => {
      if (!(error instanceof ChatError || error instanceof Failure)) {
        throw error;
      }
    }).finally(() => this.#declining--);
  }
}

const SESSION = /^[0-9a-f]{32}$/;

function headersOf(session: string, { candidates }: Rendezvous): Headers {
  return { Session: session, Address: candidates.map(candidateText) };
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

function unanswered(name: string, ringMs: number): ChatError {
  return new ChatError(
    118,
    `${name} did not answer within ${ringMs / 1_000} seconds, ` +
      "or has a client without direct calls",
  );
}
