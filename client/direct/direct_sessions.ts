/**
 * Direct sessions with others, from the call to the end: who is introduced to
 * whom, and which conversations there are. Files go in the session there is, or
 * in one of their own that ends with them.
 *
 * Which calls are answered, and what is said of all that, is decided by who
 * uses this: direct.ts in a terminal, page_visit.ts for a page.
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

/** Whoever leaves waits so long for the others, in milliseconds. */
const PARTING_MS = 1_000;

/** With so much under way, nobody else is answered without a question. */
const MAX_RUNNING = 32;

/** What {@linkcode DirectSessions} need, beside what introductions do. */
export interface DirectSessionsParts extends Omit<CallsParts, "ringMs"> {
  /** The files between us and `name`; see `Transfers.withPeer`. */
  talk(name: string, announced?: Announced): PeerFiles;
  /** Who hears a conversation with `name`. */
  audience(name: string): Audience;
  /** Nothing came of a call of ours to `name`, or of one that we answered. */
  missed(name: string, error: ChatError | Failure): void;
}

/** A call of ours that rings. */
export interface Calling {
  /** Who is called. */
  readonly name: string;
  /** Hangs up; its reason is what is said of it, if that is not empty. */
  readonly stop: AbortController;
  /** If it is because of files: those that wait for the answer. */
  readonly talk?: PeerFiles;
}

/** A call that was answered with yes. */
export interface Answered {
  /** The files that come of it. */
  readonly talk: PeerFiles;
  /** Resolves when nothing more comes of it. */
  readonly over: Promise<void>;
}

/** What a conversation is begun with. */
interface Beginning {
  readonly name: string;
  /** The files of it. */
  readonly talk: PeerFiles;
  /** Whether it is only because of them. */
  readonly forFiles: boolean;
  /** Whether somebody else tells why nothing came of it. */
  readonly told?: boolean;
  /** Aborts if it is wanted no more. */
  readonly stop?: AbortSignal;
}

/** See the top of the file. */
export class DirectSessions implements AsyncDisposable {
  readonly #parts: DirectSessionsParts;
  readonly #calls: Calls;
  readonly #running = new Set<Promise<void>>();
  #calling: Calling[] = [];
  #talks: DirectTalk[] = []; // the newest last

  /** Nobody calls yet. */
  constructor(parts: DirectSessionsParts) {
    this.#parts = parts;
    this.#calls = new Calls(parts);
  }

  /** Calls of ours that ring. */
  get calling(): readonly Calling[] {
    return this.#calling;
  }

  /** Those that are not over, the newest last. */
  get talks(): readonly DirectTalk[] {
    return this.#talks;
  }

  /** Why nobody else is answered without a question now, if it is so. */
  get busyReason(): string | undefined {
    return this.#running.size < MAX_RUNNING
      ? undefined
      : "too many others send or get files";
  }

  /** Takes what the server passes on of others. */
  receive(frame: Frame): void {
    this.#calls.receive(frame);
  }

  /** Calls somebody, to talk. */
  call(name: string): void {
    this.#ring(name, { purpose: "chat" });
  }

  /** Answers a call with yes. */
  answer(call: Call): Answered {
    const { name, offer } = call;
    const forFiles = offer.purpose === "file";
    const offered = forFiles && offer.files > 0 ? offer : undefined;
    const talk = this.#parts.talk(name, offered);
    const introduce = () => this.#calls.accept(call);
    const over = this.#converse(introduce, { name, talk, forFiles });
    this.own(over);
    return { talk, over };
  }

  /** Answers a call with no. */
  decline(call: Call, reason: string): void {
    this.#calls.decline(call, reason);
  }

  /** The files with `name`: of the session there is, or of one to be called. */
  talkWith(name: string): PeerFiles {
    const open = this.#talks.filter(({ lasting }) => lasting);
    return withName(open, name)?.talk ??
      withName(this.#calling.filter(({ talk }) => talk), name)?.talk ??
      this.#parts.talk(name);
  }

  /**
   * Has a session with `name` for files, until `use` settles and no other file
   * is under way in it: calls, if there is none with this `talk`.
   */
  use(
    name: string,
    talk: PeerFiles,
    { offer, use }: { offer: Offer; use: Promise<void> },
  ): void {
    const isKnown = this.#talks.some((one) => one.talk === talk) ||
      this.#calling.some((one) => one.talk === talk);
    if (isKnown) return;
    const calling = this.#ring(name, offer, talk);
    this.own(this.#hangUpAfter(calling, use));
  }

  /** Has `task` awaited in the end. */
  own(task: Promise<void>): void {
    const running = task.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Ends everything, and says so to all others, who may not listen. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, PARTING_MS);
    await Promise.race([this.#endAll(), late]);
    clearTimeout(timer);
  }

  async #endAll(): Promise<void> {
    this.#calls[Symbol.dispose]();
    for (const { stop } of this.#calling) {
      stop.abort(new ChatError(118, ""));
    }
    await Promise.all(this.#talks.map((one) => one.hangUp()));
    await Promise.all(this.#running);
  }

  /** Calls, and has what comes of it run. */
  #ring(name: string, offer: Offer, talk?: PeerFiles): Calling {
    const stop = new AbortController();
    const calling = { name, stop, ...(talk ? { talk } : {}) };
    this.#calling.push(calling);
    const beginning = {
      name,
      talk: talk ?? this.#parts.talk(name),
      forFiles: talk !== undefined,
      told: talk !== undefined, // by what becomes of the files
      stop: stop.signal,
    };
    const introduce = async () => {
      try {
        return await this.#calls.call(name, offer, stop.signal);
      } finally {
        this.#calling = this.#calling.filter((one) => one !== calling);
      }
    };
    this.own(this.#converse(introduce, beginning));
    return calling;
  }

  /** Has a conversation with whoever is introduced. */
  async #converse(
    introduce: () => Promise<EstablishedCall>,
    beginning: Beginning,
  ): Promise<void> {
    const { name, talk, told, stop } = beginning;
    try {
      const introduced = await introduce();
      const audience = this.#parts.audience(introduced.name);
      const conversation = new DirectTalk(introduced, audience, beginning);
      this.#talks.push(conversation);
      if (stop?.aborted) this.own(conversation.hangUp()); // just now
      await conversation.run();
      this.#talks = this.#talks.filter((one) => one !== conversation);
    } catch (error) {
      if (!(error instanceof ChatError || error instanceof Failure)) {
        throw error;
      }
      await talk.end(new Failure(EXIT.failed, error.message || "you left"));
      if (!told) this.#parts.missed(name, error);
    }
  }

  async #hangUpAfter(calling: Calling, use: Promise<void>): Promise<void> {
    const { stop, talk } = calling;
    await use;
    await talk?.idle();
    stop.abort(new ChatError(118, "you hung up")); // if it still rings
    const conversation = this.#talks.find((one) => one.talk === talk);
    await conversation?.hangUp();
  }
}

/** A call because of something that we offer. */
export function offerOf({ contents }: Transfer): Offer {
  const { title, size, files } = contents;
  return { purpose: "file", name: calledName(title), size, files };
}

/** The one with `name`, or a name that looks like it. */
export function withName<T extends { readonly name: string }>(
  all: readonly T[],
  name: string,
): T | undefined {
  return all.find((one) => lookAlike(one.name) === lookAlike(name));
}
