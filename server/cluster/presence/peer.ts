/**
 * Another server, as far as this one knows it: its facts after so many deltas.
 *
 * Deltas are applied in their order. What comes too early waits for a moment; if
 * something is missing, or a digest shows that the facts differ, the server is
 * asked for all of them, and asked less often while that does not help.
 *
 * @module
 */
import type { Clock } from "../../net/clock.ts";
import { type Change, Facts } from "./facts.ts";
import type { Frame } from "./frames.ts";

/** What comes too early has this time to be in order, in milliseconds. */
export const GAP_MS = 100;

/** A server is asked again after this time at the latest, in milliseconds. */
export const MAX_ASK_MS = 8_000;

/** Limit of the deltas that came too early. */
const MAX_HELD = 64;

/** A piece that is not the last has so many users, at least. */
const USERS_OF_PIECE = 7;

/** So many beats that tell of fewer deltas than came are not late. */
const LOWER_BEATS = 3;

const TOO_MANY = "it has more of them than --max-connections allows here";

/** What a peer needs of the presence, and does to it. */
export interface PeerContext extends Clock {
  /** Limit of the users of one server. */
  readonly maxUsers: number;
  /** A change of the facts, which fits. */
  changed(change: Change): void;
  /** Asks the server for all facts. */
  ask(): void;
  /** What the server sends cannot be. */
  refuse(why: string): void;
}

/** A snapshot of which pieces have come; they have no order. */
interface Snapshot {
  readonly n: number;
  readonly of: number;
  readonly pieces: Set<number>;
  readonly facts: Facts;
}

/** See the top of the file. */
export class Peer implements Disposable {
  readonly epoch: string;
  readonly since: number;
  /** When it was last heard. */
  heardAt: number;
  readonly #context: PeerContext;
  readonly #held = new Map<number, readonly Change[]>();
  #facts: Facts;
  #n = 0;
  #newest = 0; // delta that exists, as far as is known
  #lower = 0; // beats in a row, that tell of fewer deltas than came
  #differs = false;
  #snapshot: Snapshot | undefined;
  #asking: Disposable | undefined;
  #askMs = GAP_MS;

  /** A server whose life has just begun; it has told nothing. */
  constructor(
    { epoch, since }: Pick<Frame, "epoch" | "since">,
    context: PeerContext,
  ) {
    this.epoch = epoch;
    this.since = since;
    this.#context = context;
    this.#facts = new Facts(context.maxUsers);
    this.heardAt = context.now();
  }

  /** Takes what this server sends of itself, in this life. */
  hear(frame: Frame): void {
    this.heardAt = this.#context.now();
    switch (frame.kind) {
      case "beat":
        this.#beat(frame);
        break;
      case "delta":
        this.#newest = Math.max(this.#newest, frame.n);
        if (frame.n > this.#n && this.#held.size < MAX_HELD) {
          this.#held.set(frame.n, frame.changes);
        }
        this.#goOn();
        break;
      case "piece":
        this.#piece(frame);
    }
    if (this.#newest > this.#n || this.#differs) this.#askSoon();
    else this.#askNot();
  }

  /** How many connections it has, by network. */
  connections(): ReadonlyMap<string, number> {
    return this.#facts.connections();
  }

  [Symbol.dispose](): void {
    this.#askNot();
  }

  #beat({ n, digest }: Frame & { kind: "beat" }): void {
    this.#newest = Math.max(this.#newest, n);
    this.#lower = n < this.#n ? this.#lower + 1 : 0;
    if (this.#lower === LOWER_BEATS) { // another program sent deltas in its name
      this.#n = this.#newest = n;
      this.#held.clear();
      this.#differs = true;
    }
    if (n !== this.#n) return;
    this.#differs = digest !== this.#facts.digest;
    if (!this.#differs) this.#askMs = GAP_MS;
  }

  /** Applies the deltas that are next. */
  #goOn(): void {
    for (;;) {
      const changes = this.#held.get(this.#n + 1);
      if (!changes) return;
      this.#held.delete(++this.#n);
      for (const change of changes) {
        if (this.#facts.apply(change)) this.#context.changed(change);
        else this.#differs = true;
      }
    }
  }

  #piece({ n, piece, of, changes }: Frame & { kind: "piece" }): void {
    this.#newest = Math.max(this.#newest, n);
    const isNeeded = n > this.#n || n === this.#n && this.#differs;
    if (!isNeeded || n < (this.#snapshot?.n ?? 0)) return;
    const { maxUsers, refuse } = this.#context;
    if (of > 1 + Math.ceil(maxUsers / USERS_OF_PIECE)) return refuse(TOO_MANY);
    if (this.#snapshot?.n !== n || this.#snapshot.of !== of) {
      const facts = new Facts(maxUsers);
      this.#snapshot = { n, of, pieces: new Set(), facts };
    }
    const { pieces, facts } = this.#snapshot;
    if (pieces.has(piece)) return;
    pieces.add(piece);
    if (!changes.every((change) => facts.apply(change))) {
      this.#snapshot = undefined;
      return refuse(TOO_MANY);
    }
    if (pieces.size < of) return;
    this.#snapshot = undefined;
    const changed = [...this.#facts.changesTo(facts)];
    this.#facts = facts;
    this.#n = n;
    this.#differs = false;
    for (const change of changed) this.#context.changed(change);
    for (const held of this.#held.keys()) {
      if (held <= n) this.#held.delete(held);
    }
    this.#goOn();
  }

  /** Asks after a while, and again, until nothing is missing. */
  #askSoon(): void {
    if (this.#asking) return;
    this.#asking = this.#context.after(this.#askMs, () => {
      this.#asking = undefined;
      this.#askMs = Math.min(2 * this.#askMs, MAX_ASK_MS);
      this.#context.ask();
      this.#askSoon();
    });
  }

  #askNot(): void {
    this.#asking?.[Symbol.dispose]();
    this.#asking = undefined;
  }
}
