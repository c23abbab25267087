/**
 * All direct sessions, from the call to the end. Files go in the open session, or
 * in one of their own that ends with them.
 *
 * The user of this class decides which calls to accept, and what to show:
 * direct.ts in a terminal, gui/page_session.ts for the web client.
 *
 * @module
 */
import { lookAlike } from "../../protocol.ts";
import { atMost, type Audience, DirectTalk } from "./direct_talk.ts";
import { PeerFiles } from "../files/peer_files.ts";
import type { Transfer } from "../files/transfer.ts";
import { type Call, Calls, type CallsParts, type Offer } from "./calls.ts";
import type { Rendezvous } from "./rendezvous.ts";
import { calledName, type Transfers } from "../files/transfers.ts";

/** How long the end may wait for the other sides, in milliseconds. */
const END_MS = 1_000;

/** With so many sessions and calls, no further call is accepted unasked. */
const MAX_RUNNING = 32;

/** What {@linkcode DirectSessions} needs, beside what calls need. */
export interface DirectSessionsParts extends CallsParts {
  /** The files of all sessions. */
  readonly transfers: Transfers;
  /** Where a session with `name` is shown. */
  audience(name: string): Audience;
}

/** All direct sessions of one user. */
export class DirectSessions implements AsyncDisposable {
  readonly calls: Calls;
  /** The open sessions and our calls that ring, the newest last. */
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
    this.#ring(name, this.#filesWith(name), { purpose: "chat" });
  }

  /**
   * Accepts a call; what it offers gets `number`, if it has one. `over` resolves
   * when its session is over.
   */
  answer(
    call: Call,
    number?: number,
  ): { readonly talk: PeerFiles; readonly over: Promise<void> } {
    const { name, offer } = call;
    const forFiles = offer.purpose === "file";
    const offered = forFiles && offer.files > 0
      ? { ...offer, number }
      : undefined;
    const talk = new PeerFiles(this.#parts.transfers, name, offered);
    const audience = this.#parts.audience(name);
    const isOffered = offered !== undefined;
    const start = { name, talk, forFiles, isOffered, ours: false };
    const session = new DirectTalk(start, audience);
    return { talk, over: this.#run(session, this.calls.accept(call)) };
  }

  /** The files with `name`: of the open session, or of a new one. */
  talkWith(name: string): PeerFiles {
    const lasting = this.talks.values().filter((one) => one.lasting);
    return withName(lasting, name)?.talk ?? this.#filesWith(name);
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
    if (this.talks.values().some((one) => one.talk === talk)) return;
    const { title, size, files } = contents;
    const session = this.#ring(name, talk, {
      ...{ purpose: "file", name: calledName(title), size, files },
    });
    this.own(endAfter(session, settled));
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
    for (const call of this.calls.ringing) this.calls.decline(call, "left");
    await Promise.all(Array.from(this.talks, (one) => one.end()));
    await Promise.all(this.#running);
  }

  #filesWith(name: string): PeerFiles {
    return new PeerFiles(this.#parts.transfers, name);
  }

  /** Calls, and runs the session that results. */
  #ring(name: string, talk: PeerFiles, offer: Offer): DirectTalk {
    const forFiles = offer.purpose === "file";
    const start = { name, talk, forFiles, ours: true };
    const session = new DirectTalk(start, this.#parts.audience(name));
    this.#run(session, this.calls.call(name, offer, session.stop.signal));
    return session;
  }

  #run(session: DirectTalk, accepted: Promise<Rendezvous>): Promise<void> {
    this.talks.add(session);
    const over = session.run(accepted)
      .finally(() => this.talks.delete(session));
    this.own(over);
    return over;
  }
}

/** Ends a session after its files. */
async function endAfter(
  session: DirectTalk,
  use: Promise<void>,
): Promise<void> {
  await use;
  await session.talk.idle();
  await session.end("you ended the call");
}

/** The one with `name`, or a look-alike. */
export function withName<T extends { readonly name: string }>(
  all: Iterable<T>,
  name: string,
): T | undefined {
  return Iterator.from(all)
    .find((one) => lookAlike(one.name) === lookAlike(name));
}
