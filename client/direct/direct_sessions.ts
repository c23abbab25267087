/**
 * All direct sessions, from the call to the end. Files go in the open session, or
 * in one of their own that ends with them.
 *
 * The user of this class decides which calls to accept, and what to show:
 * direct.ts in a terminal, gui/page_session.ts for the web client.
 *
 * @module
 */
import { ChatError, lookAlike } from "../../protocol.ts";
import {
  atMost,
  type Audience,
  DirectTalk,
  type DirectTalkOptions,
} from "./direct_talk.ts";
import { EXIT, Failure } from "../view/failure.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import type { Announced, Transfer } from "../files/transfer.ts";
import {
  type Call,
  Calls,
  type CallsParts,
  type EstablishedCall,
  type Offer,
} from "./calls.ts";
import { calledName } from "../files/transfers.ts";

/** How long the end may wait for the other sides, in milliseconds. */
const END_MS = 1_000;

/** With so many sessions and calls, no further call is accepted unasked. */
const MAX_RUNNING = 32;

/** What {@linkcode DirectSessions} needs, beside what calls need. */
export interface DirectSessionsParts extends CallsParts {
  /** The files between us and `name`; see `Transfers.withPeer`. */
  talk(name: string, announced?: Announced): PeerFiles;
  /** Where a session with `name` is shown. */
  audience(name: string): Audience;
  /** A call to `name`, or one that was accepted, has failed. */
  missed(name: string, error: ChatError | Failure): void;
}

/** What a session starts with. */
interface SessionStart extends DirectTalkOptions {
  /** The other user. */
  readonly name: string;
}

/** An outgoing call that rings. */
export interface OutgoingCall extends SessionStart {
  /** Ends the call; the message of its reason is shown, unless empty. */
  readonly stop: AbortController;
}

/** All direct sessions of one user. */
export class DirectSessions implements AsyncDisposable {
  readonly calls: Calls;
  /** Outgoing calls that ring. */
  readonly outgoing = new Set<OutgoingCall>();
  /** The open sessions, the newest last. */
  readonly talks = new Set<DirectTalk>();
  readonly #parts: DirectSessionsParts;
  readonly #running = new Set<Promise<void>>();

  constructor(parts: DirectSessionsParts) {
    this.#parts = parts;
    this.calls = new Calls(parts);
  }

  /** Why no further call is accepted unasked now, if it is so. */
  get busyReason(): string | undefined {
    return this.#running.size < MAX_RUNNING ? undefined : "too many transfers";
  }

  /** Calls a user, to chat. */
  call(name: string): void {
    const talk = this.#parts.talk(name);
    this.#ring({ name, talk }, { purpose: "chat" });
  }

  /** Accepts a call. `over` resolves when its session is over. */
  answer(
    call: Call,
  ): { readonly talk: PeerFiles; readonly over: Promise<void> } {
    const { name, offer } = call;
    const forFiles = offer.purpose === "file";
    const offered = forFiles && offer.files > 0 ? offer : undefined;
    const talk = this.#parts.talk(name, offered);
    const established = this.calls.accept(call);
    const over = this.#run({ name, talk, forFiles }, established);
    this.own(over);
    return { talk, over };
  }

  /** The files with `name`: of the open session, or of a new one. */
  talkWith(name: string): PeerFiles {
    const open = this.talks.values().filter(({ lasting }) => lasting);
    const calling = this.outgoing.values().filter(({ forFiles }) => forFiles);
    const known = withName(open, name) ?? withName(calling, name);
    return known?.talk ?? this.#parts.talk(name);
  }

  /**
   * Keeps a session with `name` for files until `settled` and no other file is in
   * transfer. Calls, if there is no session with this `talk`.
   */
  use(
    name: string,
    talk: PeerFiles,
    { contents, settled }: Pick<Transfer, "contents" | "settled">,
  ): void {
    const known = [...this.talks, ...this.outgoing];
    if (known.some((one) => one.talk === talk)) return;
    const { title, size, files } = contents;
    const start = { name, talk, forFiles: true };
    const calling = this.#ring(start, {
      ...{ purpose: "file", name: calledName(title), size, files },
    });
    this.own(this.#endAfter(calling, settled));
  }

  /** The end awaits `task`. */
  own(task: Promise<void>): void {
    const running = task.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Ends all sessions and calls; the other sides may not answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    await atMost(END_MS, this.#endAll());
  }

  async #endAll(): Promise<void> {
    this.calls[Symbol.dispose]();
    for (const { stop } of this.outgoing) stop.abort(new ChatError(118, ""));
    await Promise.all(Array.from(this.talks, (one) => one.end()));
    await Promise.all(this.#running);
  }

  /** Calls, and runs the session that results. */
  #ring(start: SessionStart, offer: Offer): OutgoingCall {
    const calling = { ...start, stop: new AbortController() };
    this.outgoing.add(calling);
    const { signal } = calling.stop;
    const established = this.calls.call(start.name, offer, signal)
      .finally(() => this.outgoing.delete(calling));
    this.own(this.#run(calling, established));
    return calling;
  }

  /** Runs one session, from the call to the end. */
  async #run(
    start: SessionStart | OutgoingCall,
    established: Promise<EstablishedCall>,
  ): Promise<void> {
    const { name, talk, forFiles } = start;
    const stop = "stop" in start ? start.stop : undefined;
    try {
      const call = await established;
      const audience = this.#parts.audience(call.name);
      const session = new DirectTalk(call, audience, start);
      this.talks.add(session);
      if (stop?.signal.aborted) this.own(session.end());
      await session.run();
      this.talks.delete(session);
    } catch (error) {
      if (!(error instanceof ChatError || error instanceof Failure)) {
        throw error;
      }
      await talk.end(new Failure(EXIT.failed, error.message || "you left"));
      const isTold = stop && forFiles; // by what becomes of the files
      if (!isTold) this.#parts.missed(name, error);
    }
  }

  async #endAfter(calling: OutgoingCall, use: Promise<void>): Promise<void> {
    const { stop, talk } = calling;
    await use;
    await talk.idle();
    stop.abort(new ChatError(118, "you ended the call")); // if it rings
    const session = this.talks.values().find((one) => one.talk === talk);
    await session?.end();
  }
}

/** The one with `name`, or a look-alike. */
export function withName<T extends { readonly name: string }>(
  all: Iterable<T>,
  name: string,
): T | undefined {
  return Iterator.from(all)
    .find((one) => lookAlike(one.name) === lookAlike(name));
}
