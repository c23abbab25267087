/**
 * One transfer, from the offer to its end, over as many connections as that
 * takes: its state machine. Events go in, and effects come out, which
 * peer_files.ts carries out. Nothing here waits, reads or writes.
 *
 *     new ── offered ─> offered ── accepted ─> running ── finished ─> done
 *                                                │  ▲
 *                                   disconnected ▼  │ accepted
 *                                               paused
 *     failed, cancelled: from every state but done ─> failed
 *
 * When a connection breaks, a transfer that was accepted pauses. On the next
 * connection the sender offers it again under the same id (a `get` is requested
 * again), and the receiver continues without asking the user a second time.
 *
 * @module
 */
import { type FileFailure } from "./records.ts";
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
  /** Not offered: there is no connection, or too much is under way. */
  | { readonly type: "new" }
  /** The receiver has not answered; without an attempt, the connection broke. */
  | { readonly type: "offered"; readonly attempt: Attempt | undefined }
  | { readonly type: "running"; readonly attempt: Attempt }
  /** Accepted, but no bytes move; with an attempt, it is being resumed. */
  | { readonly type: "paused"; readonly attempt: Attempt | undefined }
  /** Whole. `paths` are where the items are, if they were received. */
  | { readonly type: "done"; readonly paths: readonly string[] }
  | { readonly type: "failed"; readonly error: FileFailure };

/** What happens to a transfer. */
export type TransferEvent =
  /** It is offered on the connection there is, perhaps again. */
  | { readonly type: "offered"; readonly attempt: Attempt }
  /** The receiver wants it, perhaps again. */
  | { readonly type: "accepted" }
  | { readonly type: "disconnected" }
  | { readonly type: "finished"; readonly paths: readonly string[] }
  | { readonly type: "failed"; readonly error: FileFailure }
  /** The user does not want it; the peer is to be told. */
  | { readonly type: "cancelled"; readonly error: FileFailure };

/**
 * What is to be done about an event: find out whether the user wants it, take
 * what the sender sends, or tell the peer that it has ended.
 */
export type Effect = "decide" | "receive" | "cancel";

/** The next state, and what is to be done. Pure. */
export function step(
  role: Role,
  state: TransferState,
  event: TransferEvent,
): readonly [state: TransferState, effect?: Effect | undefined] {
  if (state.type === "done") return [state];
  if (state.type === "failed") {
    // The offer was on its way when the user cancelled.
    return event.type === "offered" ? [state, "cancel"] : [state];
  }
  const isPaused = state.type === "paused";
  switch (event.type) {
    case "offered": {
      const { attempt } = event;
      if (isPaused && role === "receive") {
        return [{ type: "running", attempt }, "receive"];
      }
      const type = isPaused ? "paused" : "offered";
      // What is got may have changed since it was requested.
      return [{ type, attempt }, role === "get" ? "decide" : undefined];
    }
    case "accepted": {
      if (state.type !== "offered" && !isPaused) return [state];
      const { attempt } = state;
      if (!attempt) return [{ type: "paused", attempt }];
      const receives = role === "receive" || role === "get";
      return [{ type: "running", attempt }, receives ? "receive" : undefined];
    }
    case "disconnected": {
      if (state.type === "new") return [state];
      const type = state.type === "offered" ? "offered" : "paused";
      return [{ type, attempt: undefined }];
    }
    case "finished":
      return [{ type: "done", paths: event.paths }];
    case "failed":
      return [{ type: "failed", error: event.error }];
    case "cancelled":
      return [{ type: "failed", error: event.error }, "cancel"];
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
  /** What is received, with safe names. */
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
  /** Is told after each change of the state. */
  changed(transfer: Transfer): void;
  /** Carries out an effect, after that. */
  act(transfer: Transfer, effect: Effect, attempt: Attempt | undefined): void;
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
  /** The paths of what was received; rejects with a {@linkcode FileFailure}. */
  readonly ended: Promise<readonly string[]>;
  readonly #ended = Promise.withResolvers<readonly string[]>();
  readonly #options: TransferOptions;
  #state: TransferState;
  #moved = 0; // when it last ran

  constructor(options: TransferOptions) {
    this.#options = options;
    this.number = options.number;
    this.peer = options.peer;
    this.role = options.role;
    this.id = options.id;
    this.contents = options.contents;
    this.#state = options.state ?? { type: "new" };
    this.ended = this.#ended.promise;
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

  /** Takes an event, and has its effect carried out. */
  apply(event: TransferEvent): void {
    const before = this.#state;
    const [state, effect] = step(this.role, before, event);
    this.#moved = state.type === "done" ? this.contents.size : this.moved;
    this.#state = state;
    if (state !== before) {
      if (state.type === "done") this.#ended.resolve(state.paths);
      if (state.type === "failed") this.#ended.reject(state.error);
      this.#options.changed(this);
    }
    if (!effect) return;
    const last = "attempt" in before ? before.attempt : undefined;
    const attempt = event.type === "offered" ? event.attempt : last;
    this.#options.act(this, effect, attempt);
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
    while (
      this.#samples.length > 2 && this.#samples[1]!.at < at - RATE_OVER_MS
    ) {
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
