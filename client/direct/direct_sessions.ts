/**
 * All direct sessions, from the call to the end. Files go in the open session, or
 * in one of their own that ends with them.
 *
 * The user of this class decides which calls to accept, and what to show:
 * direct.ts in a terminal, gui/page_session.ts for the web client.
 *
 * @module
 */
import { ChatError, type Frame, lookAlike } from "../../protocol.ts";
import { type Audience, DirectTalk } from "./direct_talk.ts";
import { EXIT, Failure } from "../view/failure.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import type { Transfer } from "../files/transfer.ts";
import {
  type Call,
  Calls,
  type CallsParts,
  type EstablishedCall,
  type Offer,
} from "./calls.ts";
import { type Announced, calledName } from "../files/transfers.ts";

/** How long the end may wait for the other sides, in milliseconds. */
const END_MS = 1_000;

/** With so many sessions and calls, no further call is accepted unasked. */
const MAX_RUNNING = 32;

/** What {@linkcode DirectSessions} needs, beside what calls need. */
export interface DirectSessionsParts extends Omit<CallsParts, "ringMs"> {
  /** The files between us and `name`; see `Transfers.withPeer`. */
  talk(name: string, announced?: Announced): PeerFiles;
  /** Where a session with `name` is shown. */
  audience(name: string): Audience;
  /** A call to `name`, or one that was accepted, has failed. */
  missed(name: string, error: ChatError | Failure): void;
}

/** An outgoing call that rings. */
export interface OutgoingCall {
  /** The called user. */
  readonly name: string;
  /** Ends the call; the message of its reason is shown, unless empty. */
  readonly stop: AbortController;
  /** The files that wait for the answer, if it is for files. */
  readonly talk: PeerFiles | undefined;
}

/** What a session starts with. */
interface SessionStart {
  readonly name: string;
  readonly talk: PeerFiles;
  /** Whether it is for files only. */
  readonly forFiles: boolean;
  /** Whether a failure is shown elsewhere. */
  readonly told?: boolean;
  readonly stop?: AbortSignal;
}

/** All direct sessions of one user. */
export class DirectSessions implements AsyncDisposable {
  readonly #parts: DirectSessionsParts;
  readonly #calls: Calls;
  readonly #running = new Set<Promise<void>>();
  #outgoing: OutgoingCall[] = [];
  #talks: DirectTalk[] = []; // the newest last

  constructor(parts: DirectSessionsParts) {
    this.#parts = parts;
    this.#calls = new Calls(parts);
  }

  /** Outgoing calls that ring. */
  get outgoing(): readonly OutgoingCall[] {
    return this.#outgoing;
  }

  /** The open sessions, the newest last. */
  get talks(): readonly DirectTalk[] {
    return this.#talks;
  }

  /** Why no further call is accepted unasked now, if it is so. */
  get busyReason(): string | undefined {
    return this.#running.size < MAX_RUNNING ? undefined : "too many transfers";
  }

  /** Handles a frame of another user. */
  receive(frame: Frame): void {
    this.#calls.receive(frame);
  }

  /** Calls a user, to chat. */
  call(name: string): void {
    this.#ring(name, { purpose: "chat" });
  }

  /** Accepts a call; `over` resolves when its session is over. */
  answer(call: Call): { talk: PeerFiles; over: Promise<void> } {
    const { name, offer } = call;
    const forFiles = offer.purpose === "file";
    const offered = forFiles && offer.files > 0 ? offer : undefined;
    const talk = this.#parts.talk(name, offered);
    const connect = () => this.#calls.accept(call);
    const over = this.#run(connect, { name, talk, forFiles });
    this.own(over);
    return { talk, over };
  }

  /** Declines a call. */
  decline(call: Call, reason: string): void {
    this.#calls.decline(call, reason);
  }

  /** The files with `name`: of the open session, or of a new one. */
  talkWith(name: string): PeerFiles {
    const open = this.#talks.filter(({ lasting }) => lasting);
    return withName(open, name)?.talk ??
      withName(this.#outgoing.filter(({ talk }) => talk), name)?.talk ??
      this.#parts.talk(name);
  }

  /**
   * Keeps a session with `name` for files until `use` settles and no other file is
   * in transfer. Calls, if there is no session with this `talk`.
   */
  use(
    name: string,
    talk: PeerFiles,
    offer: Offer,
    use: Promise<void>,
  ): void {
    const known = [...this.#talks, ...this.#outgoing];
    if (known.some((one) => one.talk === talk)) return;
    const calling = this.#ring(name, offer, talk);
    this.own(this.#endAfter(calling, use));
  }

  /** The end awaits `task`. */
  own(task: Promise<void>): void {
    const running = task.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Ends all sessions and calls; the other sides may not answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, END_MS);
    await Promise.race([this.#endAll(), late]);
    clearTimeout(timer);
  }

  async #endAll(): Promise<void> {
    this.#calls[Symbol.dispose]();
    for (const { stop } of this.#outgoing) stop.abort(new ChatError(118, ""));
    await Promise.all(this.#talks.map((one) => one.end()));
    await Promise.all(this.#running);
  }

  /** Calls, and runs the session that results. */
  #ring(name: string, offer: Offer, talk?: PeerFiles): OutgoingCall {
    const stop = new AbortController();
    const calling = { name, stop, talk };
    this.#outgoing.push(calling);
    const beginning = {
      name,
      talk: talk ?? this.#parts.talk(name),
      forFiles: talk !== undefined,
      told: talk !== undefined, // by what becomes of the files
      stop: stop.signal,
    };
    const connect = async () => {
      try {
        return await this.#calls.call(name, offer, stop.signal);
      } finally {
        this.#outgoing = this.#outgoing.filter((one) => one !== calling);
      }
    };
    this.own(this.#run(connect, beginning));
    return calling;
  }

  /** Runs one session, from the call to the end. */
  async #run(
    connect: () => Promise<EstablishedCall>,
    beginning: SessionStart,
  ): Promise<void> {
    const { name, talk, told, stop } = beginning;
    try {
      const call = await connect();
      const audience = this.#parts.audience(call.name);
      const session = new DirectTalk(call, audience, beginning);
      this.#talks.push(session);
      if (stop?.aborted) this.own(session.end());
      await session.run();
      this.#talks = this.#talks.filter((one) => one !== session);
    } catch (error) {
      const isTold = error instanceof ChatError || error instanceof Failure;
      if (!isTold) throw error;
      await talk.end(new Failure(EXIT.failed, error.message || "you left"));
      if (!told) this.#parts.missed(name, error);
    }
  }

  async #endAfter(calling: OutgoingCall, use: Promise<void>): Promise<void> {
    const { stop, talk } = calling;
    await use;
    await talk?.idle();
    stop.abort(new ChatError(118, "you ended the call")); // if it rings
    const session = this.#talks.find((one) => one.talk === talk);
    await session?.end();
  }
}

/** A call for files that we offer. */
export function offerOf({ contents }: Transfer): Offer {
  const { title, size, files } = contents;
  return { purpose: "file", name: calledName(title), size, files };
}

/** The one with `name`, or a look-alike. */
export function withName<T extends { readonly name: string }>(
  all: readonly T[],
  name: string,
): T | undefined {
  return all.find((one) => lookAlike(one.name) === lookAlike(name));
}
