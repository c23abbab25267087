/**
 * One transfer, from the offer to its end, over as many connections as that
 * takes: its state machine. Events go in, and an effect comes out, which
 * peer_files.ts carries out. Nothing here waits, reads or writes.
 *
 *     new ── offered ──> offered ── accepted ──> running ── finished ──> done
 *                                                 │  ▲
 *                                    disconnected ▼  │ accepted
 *                                                paused
 *     failed, cancelled: from every state but done ──> failed
 *
 * When a connection breaks, a transfer that was accepted pauses. On the next
 * connection the sender offers again under the same id (a `get` is requested
 * again), and the receiver continues without asking the user a second time.
 *
 * @module
 */
import type { FileFailure } from "./failure.ts";
import type { Item } from "./part.ts";
import type { Receiving } from "./receive.ts";
import type { Sending } from "./send.ts";
import type { Outgoing } from "./source.ts";

/** What a transfer is on one connection. */
export type Attempt = Sending | Receiving;

/** Why there is a transfer. */
export type Purpose =
  /** The user sends. `id` stays the same on every connection. */
  | { readonly role: "send"; readonly outgoing: Outgoing; readonly id: string }
  /** The peer gets something of the shared folder; the peer asks again. */
  | { readonly role: "serve" }
  /** The peer offers. Only the peer and this client know the `id`. */
  | { readonly role: "receive"; readonly id: string }
  /** The user gets something of the peer's shared folder. */
  | { readonly role: "get"; readonly path: string };

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
  /** There is a connection with room for it. */
  | { readonly type: "connected" }
  /** It is offered on the connection there is, perhaps again. */
  | { readonly type: "offered"; readonly attempt: Attempt }
  /** The receiver wants it, perhaps again. */
  | { readonly type: "accepted" }
  | { readonly type: "disconnected" }
  | { readonly type: "finished"; readonly paths: readonly string[] }
  | { readonly type: "failed"; readonly error: FileFailure }
  /** The user does not want it; the peer is to be told. */
  | { readonly type: "cancelled"; readonly error: FileFailure };

/** What is to be done about an event. */
export type TransferEffect =
  /** Offer it, or request it. */
  | { readonly type: "begin" }
  /** Find out whether the user wants it. */
  | { readonly type: "decide" }
  /** Tell the sender to send, and take what comes. */
  | { readonly type: "receive"; readonly attempt: Attempt }
  /** Tell the peer that this has ended. */
  | {
    readonly type: "cancel";
    readonly attempt: Attempt;
    readonly error: FileFailure;
  };

/** The next state, and what is to be done. */
type Step = readonly [state: TransferState, effect?: TransferEffect];

/** The transition from `state` by `event`. Pure. */
export function step(
  role: Purpose["role"],
  state: TransferState,
  event: TransferEvent,
): Step {
  if (state.type === "done" || state.type === "failed") {
    return ended(state, event);
  }
  const attempt = "attempt" in state ? state.attempt : undefined;
  switch (event.type) {
    case "connected":
      // A receiver waits for the offer to come again.
      return role === "send" || role === "get"
        ? [state, { type: "begin" }]
        : [state];
    case "offered":
      return offered(role, state, event.attempt);
    case "accepted":
      return accepted(role, state);
    case "disconnected":
      return [disconnected(role, state)];
    case "finished":
      return [{ type: "done", paths: event.paths }];
    case "failed":
      return [{ type: "failed", error: event.error }];
    case "cancelled": {
      const { error } = event;
      const failed = { type: "failed", error } as const;
      return attempt ? [failed, { type: "cancel", attempt, error }] : [failed];
    }
  }
}

/** What comes too late: an offer is declined if the user has ended it. */
function ended(
  state: Extract<TransferState, { type: "done" | "failed" }>,
  event: TransferEvent,
): Step {
  if (event.type !== "offered" || state.type === "done") return [state];
  const { attempt } = event;
  return [state, { type: "cancel", attempt, error: state.error }];
}

function offered(
  role: Purpose["role"],
  state: TransferState,
  attempt: Attempt,
): Step {
  const isAccepted = state.type === "paused";
  if (isAccepted && role === "receive") {
    return [{ type: "running", attempt }, { type: "receive", attempt }];
  }
  const next = { type: isAccepted ? "paused" : "offered", attempt } as const;
  // The user is asked once; what is got may have changed since it was asked for.
  const asks = role === "get" || (role === "receive" && state.type === "new");
  return asks ? [next, { type: "decide" }] : [next];
}

function accepted(role: Purpose["role"], state: TransferState): Step {
  if (state.type !== "offered" && state.type !== "paused") return [state];
  const { attempt } = state;
  if (!attempt) return [{ type: "paused", attempt }];
  const running = { type: "running", attempt } as const;
  const receives = role === "receive" || role === "get";
  return receives ? [running, { type: "receive", attempt }] : [running];
}

function disconnected(
  role: Purpose["role"],
  state: TransferState,
): TransferState {
  const attempt = undefined;
  switch (state.type) {
    case "offered":
      return role === "send" ? { type: "new" } : { type: "offered", attempt };
    case "running":
    case "paused":
      return { type: "paused", attempt };
    default:
      return state;
  }
}

/** What a {@linkcode Transfer} begins with. */
export interface TransferOptions {
  /** What the user calls it, from 1. */
  readonly number: number;
  /** The other side's name. */
  readonly peer: string;
  readonly purpose: Purpose;
  /** What the peer calls it, or gets; not safe to show. */
  readonly title: string;
  /** Default: `new`. */
  readonly state?: TransferState;
  /** Is told after each change of the state. */
  changed(transfer: Transfer): void;
  /** Carries out an effect, after that. */
  act(transfer: Transfer, effect: TransferEffect): void;
}

/** A transfer and its state. */
export class Transfer {
  readonly number: number;
  readonly peer: string;
  readonly purpose: Purpose;
  /** What it contains, as the sender calls it: not safe to show. */
  title: string;
  /** How many files; 0 as long as that is not known. */
  files = 0;
  /** The sum of their sizes, in bytes. */
  size = 0;
  /** What is received, with safe names. */
  items: readonly Item[] = [];
  /** Paths of the items that are whole, of those that are received. */
  finished: readonly string[] = [];
  /** How fast it is. */
  readonly meter: Meter = new Meter();
  /** When it first ran, by the clock of {@linkcode Transfers}. */
  ranAt: number | undefined;
  /** How long it ran, in milliseconds, once it has ended. */
  tookMs = 0;
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
    this.purpose = options.purpose;
    this.title = options.title;
    this.#state = options.state ?? { type: "new" };
    this.ended = this.#ended.promise;
    this.ended.catch(() => {}); // the observers are told
  }

  get state(): TransferState {
    return this.#state;
  }

  /** Whether this client is the sender. */
  get sends(): boolean {
    const { role } = this.purpose;
    return role === "send" || role === "serve";
  }

  /** Whether an offer of the peer waits for the user's answer. */
  get waitsForUser(): boolean {
    const { type } = this.#state;
    return this.purpose.role === "receive" && type === "offered";
  }

  /** Whether it has ended, well or badly. */
  get isOver(): boolean {
    const { type } = this.#state;
    return type === "done" || type === "failed";
  }

  /** How many bytes the receiver has. */
  get moved(): number {
    const state = this.#state;
    return state.type === "running" ? state.attempt.moved : this.#moved;
  }

  /** Resolves when it has ended, well or badly. */
  get settled(): Promise<void> {
    return this.ended.then(() => {}, () => {});
  }

  /** Takes an event, and has its effect carried out. */
  apply(event: TransferEvent): void {
    const before = this.#state;
    const [state, effect] = step(this.purpose.role, before, event);
    this.#moved = state.type === "done" ? this.size : this.moved;
    this.#state = state;
    if (state !== before) {
      if (state.type === "done") this.#ended.resolve(state.paths);
      if (state.type === "failed") this.#ended.reject(state.error);
      this.#options.changed(this);
    }
    if (effect) this.#options.act(this, effect);
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
