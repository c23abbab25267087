/**
 * What this server tells the others of itself. Changes that come together are sent
 * together: at once if it is quiet, and else a few times a second, so that a
 * thousand users who arrive at once are a few dozen messages.
 *
 * @module
 */
import type {
  Delivery,
  Room,
  Signal,
  User,
  UserElsewhere,
} from "../../chat/user.ts";
import type { Told } from "../../chat/elsewhere.ts";
import type { Clock } from "../../net/clock.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { type Change, Facts } from "./facts.ts";
import { encodeFrame, type Frame, portions } from "./frames.ts";

/** Time between two deltas, in milliseconds. */
export const DELTA_MS = 20;

/** Time between two snapshots, in milliseconds: many servers may ask at once. */
export const SNAPSHOT_MS = 500;

/** A life of this server. */
export interface Life {
  /** A word that no other life has, of 1 to 32 letters, digits, `_` and `-`. */
  readonly epoch: string;
  /** A whole number that is greater in each later life. */
  readonly since: number;
}

/** What is sent, without whose it is. */
type Own<F = Frame> = F extends Frame ? Omit<F, "server" | "epoch" | "since">
  : never;

/** See the top of the file. */
export class PresenceSender implements Told, Disposable {
  /** What the others tell of the messages that are sent here. */
  readonly acknowledgements: Acknowledgements = new Acknowledgements();
  readonly #server: string;
  readonly #clock: Clock;
  readonly #publish: (bytes: Uint8Array) => void;
  readonly #facts = new Facts(Infinity);
  #life: Life;
  #n = 0;
  #changes: Change[] = [];
  readonly #counts = new Map<string, number>(); // of connections, to be told
  #flushedAt = -Infinity;
  #flushing: Disposable | undefined;
  #snapshotAt = -Infinity;
  #snapping: Disposable | undefined;
  #closed = false;

  /** A server without users. */
  constructor(
    server: string,
    life: Life,
    { clock, publish }: {
      clock: Clock;
      publish: (bytes: Uint8Array) => void;
    },
  ) {
    this.#server = server;
    this.#life = life;
    this.#clock = clock;
    this.#publish = publish;
  }

  /** The present life. */
  get life(): Life {
    return this.#life;
  }

  entered({ name, peer }: User): void {
    this.#change(["+", name, peer.remote, peer.kind, []]);
  }

  exited({ name }: User, reason: string): void {
    this.#change(["-", name, reason]);
  }

  moved({ name }: User): void {
    this.#change(["~", name]);
  }

  joined({ name }: User, room: Room): void {
    this.#change([">", name, room.name]);
  }

  left({ name }: User, room: Room): void {
    this.#change(["<", name, room.name]);
  }

  changed({ name, peer }: User): void {
    this.#change(["=", name, peer.remote, peer.kind]);
  }

  pass(
    { name, server }: Pick<UserElsewhere, "name" | "server">,
    signal: Signal,
  ): void {
    if (this.#closed) return;
    this.#flush(); // the other server knows the user from whom it is
    this.#send({ kind: "signal", of: server, to: name, signal });
  }

  async acknowledge(
    of: string,
    id: number,
    acknowledged: Delivery["acknowledged"],
  ): Promise<void> {
    const all = !(await Promise.all(acknowledged)).includes(false);
    if (!this.#closed) this.#send({ kind: "ack", of, id, all });
  }

  acknowledged(server: string, firstId: number): Promise<boolean> {
    return this.acknowledgements.of(server, firstId);
  }

  /** Tells that the users move to other servers, and from now on nothing. */
  closing(): void {
    if (this.#closed) return;
    this.#flush();
    this.#send({ kind: "bye" });
    this[Symbol.dispose]();
  }

  /** So many connections come from a network now. */
  counted(network: string, count: number): void {
    if (this.#closed) return;
    this.#counts.set(network, count);
    this.#flushSoon();
  }

  /** A new life begins, with the users that are here. */
  restart(life: Life): void {
    this.#flush();
    this.#life = life;
    this.#n = this.#facts.isEmpty ? 0 : 1;
    this.#snapshotAt = -Infinity;
    this.snapshot();
    this.beat();
  }

  /** Tells that this server is here, and what the others should know of it. */
  beat(): void {
    if (this.#closed) return;
    this.#flush();
    this.#send({ kind: "beat", n: this.#n, digest: this.#facts.digest });
  }

  /** Sends all facts, soon. */
  snapshot(): void {
    if (this.#closed || this.#snapping) return;
    const waitMs = this.#snapshotAt + SNAPSHOT_MS - this.#clock.now();
    if (waitMs <= 0) return this.#snapshot();
    this.#snapping = this.#clock.after(waitMs, () => this.#snapshot());
  }

  /** Asks the server `of`, or all for `*`, for their facts. */
  ask(of: string): void {
    if (!this.#closed) this.#send({ kind: "ask", of });
  }

  /** Sends nothing any more. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#flushing?.[Symbol.dispose]();
    this.#snapping?.[Symbol.dispose]();
  }

  #snapshot(): void {
    this.#snapping = undefined;
    this.#snapshotAt = this.#clock.now();
    this.#flush();
    const all = [...portions(this.#facts.all())];
    if (all.length === 0) all.push([]);
    all.forEach((changes, piece) => {
      const of = all.length;
      this.#send({ kind: "piece", n: this.#n, piece, of, changes });
    });
  }

  #change(change: Change): void {
    if (this.#closed) return;
    this.#facts.apply(change);
    this.#changes.push(change);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    const waitMs = this.#flushedAt + DELTA_MS - this.#clock.now();
    this.#flushing = this.#clock.after(
      Math.max(0, waitMs),
      () => this.#flush(),
    );
  }

  /** Sends the changes since the last time. */
  #flush(): void {
    this.#flushing?.[Symbol.dispose]();
    this.#flushing = undefined;
    const changes = this.#changes;
    this.#changes = [];
    for (const [network, count] of this.#counts) {
      const change = ["#", network, count] as const;
      this.#facts.apply(change);
      changes.push(change);
    }
    this.#counts.clear();
    for (const portion of portions(changes)) {
      this.#flushedAt = this.#clock.now();
      this.#send({ kind: "delta", n: ++this.#n, changes: portion });
    }
  }

  #send(frame: Own): void {
    this.#publish(
      encodeFrame({ server: this.#server, ...this.#life, ...frame }),
    );
  }
}
