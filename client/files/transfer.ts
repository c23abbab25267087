/**
 * One transfer, from the offer to its end, over as many connections as that
 * takes: its state machine. Events go in; peer_files.ts carries out what a new
 * state asks for. Nothing here waits, reads or writes.
 *
 *     offered ── accepted ─> running ── done ─> done
 *                              │  ▲
 *                 disconnected ▼  │ accepted
 *                             paused
 *     failed: from every state but done ─> failed
 *
 * When a connection breaks, a transfer that was accepted pauses. On the next
 * connection the sender offers it again under the same id (a `get` is requested
 * again), and the receiver continues without asking the user a second time.
 *
 * @module
 */
import type { FileFailure, Lines } from "./records.ts";
import type { OfferedItem } from "./names.ts";
import type { Receiving } from "./receiving.ts";
import type { Sending } from "./sending.ts";

/** What a transfer is on one connection. */
export type Attempt = Sending | Receiving;

/**
 * Why there is a transfer: the user sends, the peer offers, the user gets
 * something that the peer shares, or the peer gets what the user shares.
 */
export type Role = "send" | "receive" | "get" | "serve";

/** Where a transfer is. */
export type TransferState =
  /**
   * The receiver has not answered. Without an attempt it is not offered now:
   * there is no connection, or too much is under way.
   */
  | { readonly type: "offered"; readonly attempt: Attempt | undefined }
  | { readonly type: "running"; readonly attempt: Attempt }
  /** Accepted, but no bytes move; with an attempt, it is being resumed. */
  | { readonly type: "paused"; readonly attempt: Attempt | undefined }
  | TransferEnd;

/** How a transfer ended. */
export type TransferEnd =
  /** Complete, or but for what is `missing`. */
  | ({ readonly type: "done" } & Outcome)
  /** Not possible, or not wanted; the peer is told why. */
  | { readonly type: "failed"; readonly error: FileFailure };

/** What there is of a transfer that is done. */
export interface Outcome {
  /** Where the items are, if they were received. */
  readonly paths: readonly string[];
  /** Why something of it did not arrive. */
  readonly missing: Lines;
  /** The names that are changed on the receiver's disk. */
  readonly renamed: Lines;
}

/** What happens to a transfer. */
export type TransferEvent =
  /** It is offered on the connection there is, perhaps again. */
  | { readonly type: "offered"; readonly attempt: Attempt }
  /** The receiver wants it, perhaps again. */
  | { readonly type: "accepted" }
  | { readonly type: "disconnected" }
  | TransferEnd;

/** The next state. Pure. */
export function step(
  role: Role,
  state: TransferState,
  event: TransferEvent,
): TransferState {
  if (state.type === "done" || state.type === "failed") return state;
  switch (event.type) {
    case "offered": {
      const { attempt } = event;
      if (state.type !== "paused") return { type: "offered", attempt };
      // The user has accepted it; but what is got may have changed since.
      return { type: role === "receive" ? "running" : "paused", attempt };
    }
    case "accepted": {
      const { attempt } = state;
      if (state.type === "running") return state;
      if (!attempt) return { type: "paused", attempt };
      return { type: "running", attempt };
    }
    case "disconnected": {
      const type = state.type === "offered" ? "offered" : "paused";
      return { type, attempt: undefined };
    }
    default:
      return event;
  }
}

/** What is sent or received, as the sender calls it: not safe to show. */
export interface Contents {
  /** As people say it: `a.txt and 2 more`. */
  readonly title: string;
  /** How many files; 0 as long as that is not known. */
  readonly files: number;
  /** The sum of their sizes, in bytes. */
  readonly size: number;
  /** How many files, links and devices are known not to be among them. */
  readonly leftOut?: number;
  /** What is received. */
  readonly items?: readonly OfferedItem[];
}

/** What a CALL says of an offer; the server may have changed it. */
export interface Announced {
  /** Chosen by the sender: not to be trusted. */
  readonly name: string;
  /** In bytes; of all files, if there are several. */
  readonly size: number;
  /** Their number; 0 asks for a shared file instead. */
  readonly files: number;
  /** What the user calls the offer, if it was shown with a number. */
  readonly number?: number | undefined;
}

/** What a {@linkcode Transfer} begins with. */
export interface TransferOptions {
  /** What the user calls it, from 1. */
  readonly number: number;
  /** The other side's name. */
  readonly peer: string;
  readonly role: Role;
  /** Of an offer, on every connection: only the two sides know it. */
  readonly id?: string;
  readonly contents: Contents;
  readonly state?: TransferState;
  /** Is told after each change of the state, which was `before`. */
  changed(transfer: Transfer, before: TransferState): void;
}

/** A transfer and its state. */
export class Transfer {
  readonly number: number;
  readonly peer: string;
  readonly role: Role;
  readonly id: string | undefined;
  contents: Contents;
  /** Paths of the items that are whole, of those that are received. */
  finished: readonly string[] = [];
  /** How fast it is. */
  readonly meter: Meter = new Meter();
  /** When it first ran, by the clock of the observer. */
  ranAt: number | undefined;
  readonly #ended = Promise.withResolvers<Outcome>();
  /** What there is of it; rejects with a {@linkcode FileFailure}. */
  readonly ended = this.#ended.promise;
  readonly #changed: TransferOptions["changed"];
  #state: TransferState;
  #moved = 0; // when it last ran

  constructor(options: TransferOptions) {
    this.#changed = options.changed;
    this.number = options.number;
    this.peer = options.peer;
    this.role = options.role;
    this.id = options.id;
    this.contents = options.contents;
    this.#state = options.state ?? { type: "offered", attempt: undefined };
    this.ended.catch(() => {}); // the observer is told
  }

  get state(): TransferState {
    return this.#state;
  }

  /** Whether this client is the sender. */
  get sends(): boolean {
    return this.role === "send" || this.role === "serve";
  }

  /** Whether it has ended, well or badly. */
  get isOver(): boolean {
    return this.#state.type === "done" || this.#state.type === "failed";
  }

  /** Resolves when it has ended, well or badly. */
  get settled(): Promise<void> {
    return this.ended.then(() => {}, () => {});
  }

  /** How many bytes the receiver has. */
  get moved(): number {
    const state = this.#state;
    return state.type === "running" ? state.attempt.moved : this.#moved;
  }

  /** Takes an event. */
  apply(event: TransferEvent): void {
    const before = this.#state;
    const state = step(this.role, before, event);
    if (state === before) return;
    this.#moved = state.type === "done" ? this.contents.size : this.moved;
    this.#state = state;
    if (state.type === "done") this.#ended.resolve(state);
    if (state.type === "failed") this.#ended.reject(state.error);
    this.#changed(this, before);
  }
}

/** A rate is that of the last so many milliseconds. */
const RATE_OVER_MS = 5_000;

/** How fast something moves. */
export class Meter {
  #samples: { at: number; moved: number }[] = [];

  /** Notes that `moved` bytes are there, `at` a time in milliseconds. */
  note(moved: number, at: number): void {
    this.#samples.push({ at, moved });
    const since = at - RATE_OVER_MS;
    while (this.#samples.length > 2 && this.#samples[1]!.at < since) {
      this.#samples.shift();
    }
  }

  /** Forgets what was before a break. */
  restart(): void {
    this.#samples = [];
  }

  /** Bytes a second; undefined as long as it is not known. */
  get rate(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at - first.at < 500) return undefined;
    return (last.moved - first.moved) / (last.at - first.at) * 1_000;
  }
}
