/**
 * Two-socket clients, of a course (see docs/protocol.md): a user is two sockets,
 * one to send and one to receive, and acknowledges every message.
 *
 * A two-socket user is sent what is for the user, for ALL and for #default: one
 * message at a time, the next only after its RECEIVED. It gets no NOTICEs, and
 * errors without headers: real clients compare the whole string.
 *
 * @module
 */
import {
  ChatError,
  concat,
  DEFAULT_ROOM,
  encode,
  type Frame,
  header,
  isText,
} from "../../protocol.ts";
import type { Journal } from "../journal/journal.ts";
import { type Connection, hostOf } from "../net/connection.ts";
import type { Clock } from "../net/clock.ts";
import type { Hub } from "../chat/hub.ts";
import type { Peer, User } from "../chat/user.ts";
import { NameMap } from "../chat/names.ts";
import { HIGH_WATER_BYTES, MAX_OUTBOX_BYTES, STALL } from "../net/outbox.ts";
import type { Batch } from "../chat/batch.ts";

/** A receiver must send RECEIVED within this time, in milliseconds. */
export const ACKNOWLEDGE_WITHIN_MS = 5_000;

/** Which of a user's two sockets one is. */
export type Role = "TOSEND" | "TORECV";

/** What two-socket users need of the server. */
export interface TwoSocketContext extends Pick<Clock, "after"> {
  readonly hub: Hub;
  readonly journal: Journal;
  /** A receiver must send RECEIVED within this time, in milliseconds. */
  readonly acknowledgeWithinMs: number;
  /** Is told of a user who registered. */
  entered(user: User): void;
}

/** The two-socket users, with those that have one socket so far. */
export class TwoSocketUsers {
  readonly #context: TwoSocketContext;
  readonly #users = new NameMap<TwoSocketUser>();

  constructor(context: TwoSocketContext) {
    this.#context = context;
  }

  /**
   * Takes a socket for a user.
   *
   * @throws {ChatError} 100 if the name is not legal, or in use; 117 if it is
   * banned.
   */
  register(role: Role, name: string, connection: Connection): TwoSocketUser {
    const waiting = this.#users.get(name);
    if (waiting?.wants(role, name, connection)) {
      waiting.complete(role, connection);
      return waiting;
    }
    try {
      this.#context.hub.names.reserve(name);
    } catch (cause) {
      if (!(cause instanceof ChatError) || cause.closes) throw cause;
      throw new ChatError(100, cause.message, { cause });
    }
    const user = new TwoSocketUser(name, this.#context);
    this.#users.add(name, user);
    user.complete(role, connection);
    return user;
  }

  /** Removes the user, and ends both sockets. Idempotent. */
  remove(user: TwoSocketUser, reason: string): void {
    if (this.#users.get(user.name) !== user) return;
    this.#users.delete(user.name);
    this.#context.hub.names.release(user.name);
    user.end(reason);
  }
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly settle: (acknowledged: boolean) => void;
}

/** One user. As a {@linkcode Peer} it is its receiving side. */
export class TwoSocketUser implements Peer {
  /** The name, as it was first given. */
  readonly name: string;
  /** See {@linkcode Peer}. */
  readonly kind = "classic";
  /** In the hub, once both sockets are there. */
  user: User | undefined;
  readonly #context: TwoSocketContext;
  readonly #sockets = new Map<Role, Connection>();
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #unacknowledged: Waiting | undefined;
  #timer: Disposable | undefined;
  #stalled = false;

  /** A user without sockets; see {@linkcode TwoSocketUser.complete}. */
  constructor(name: string, context: TwoSocketContext) {
    this.name = name;
    this.#context = context;
  }

  get remote(): string {
    const socket = this.#sockets.get("TOSEND") ?? this.#sockets.get("TORECV");
    return socket?.remote ?? "";
  }

  get congested(): boolean {
    return this.#queuedBytes > HIGH_WATER_BYTES && !this.#stalled;
  }

  /**
   * Whether `connection` is the other socket of this user: it must come from the
   * same address.
   */
  wants(role: Role, name: string, connection: Connection): boolean {
    return this.name === name && !this.#sockets.has(role) &&
      hostOf(this.remote) === hostOf(connection.remote);
  }

  /** Takes a socket; with the second one the user registers. */
  complete(role: Role, connection: Connection): void {
    this.#sockets.set(role, connection);
    if (this.#sockets.size < 2) return;
    const { hub, journal } = this.#context;
    this.user = hub.enter(this.name, this);
    hub.join(this.user, DEFAULT_ROOM, journal);
    this.#context.entered(this.user);
  }

  /** Ends both sockets; what was not acknowledged never will be. */
  end(reason: string): void {
    this.#timer?.[Symbol.dispose]();
    const lost = this.#unacknowledged ? [this.#unacknowledged] : [];
    for (const { settle } of [...lost, ...this.#queue]) settle(false);
    this.#unacknowledged = undefined;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const socket of this.#sockets.values()) socket.end(reason);
  }

  /** Does what a frame of one socket says. @returns The answer, if there is one. */
  async obey(role: Role, frame: Frame): Promise<Uint8Array | undefined> {
    if (role === "TOSEND") return await this.#fromSender(frame);
    this.#fromReceiver(frame);
    return undefined;
  }

  async #fromSender(frame: Frame): Promise<Uint8Array | undefined> {
    if (frame.verb === "LOGOUT") {
      this.#sockets.get("TOSEND")?.outbox.answer(encode("BYE"));
      this.end("logged out");
      return undefined;
    }
    if (frame.verb !== "SEND" || frame.args.length !== 1) throw unknown(frame);
    if (!this.user) throw new ChatError(101, "Cannot send: no TORECV socket");
    if (!isText(frame.body)) {
      throw new ChatError(107, "Cannot send what is not UTF-8");
    }
    const declared = Number(header(frame, "content-length"));
    const { hub, journal } = this.#context;
    if (this.user.muted) {
      throw new ChatError(102, "Cannot send: muted"); // it knows no 120
    }
    const to = hub.checkTarget(this.user, frame.args[0]!);
    const [stored] = await journal.append(this.name, [{
      to,
      body: frame.body,
      ...(declared === frame.body.length ? {} : { declaredLength: declared }),
    }]).catch(undelivered);
    const { delivery } = stored!; // one result for one draft
    const acknowledged = await Promise.all(delivery.acknowledged);
    const kept = delivery.recipients > 0 || hub.names.owned(to) !== undefined; // for its login
    if (!kept || acknowledged.includes(false)) {
      throw new ChatError(102, "Cannot deliver to all receivers");
    }
    return encode("SEND", [frame.args[0]!]);
  }

  #fromReceiver(frame: Frame): void {
    if (frame.verb === "ERROR") return this.end("refused a message");
    if (frame.verb !== "RECEIVED") throw unknown(frame);
    const waiting = this.#unacknowledged;
    if (!waiting) return; // one RECEIVED too many does no harm
    this.#timer?.[Symbol.dispose]();
    this.#unacknowledged = undefined;
    this.#queuedBytes -= waiting.bytes.length;
    if (this.#queuedBytes <= HIGH_WATER_BYTES) this.#stalled = false;
    waiting.settle(true);
    this.#sendNext();
  }

  notify(): void {
    // The course's protocol has no notices.
  }

  forward(batch: Batch): Promise<boolean> {
    const full = this.#queuedBytes > MAX_OUTBOX_BYTES;
    const all = batch.bodies.map((body) => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const length = batch.declaredLength ?? body.length;
      const head = encoder.encode(
        `FORWARD ${batch.from}\nContent-length: ${length}\n\n`,
      );
      const bytes = concat([head, body]);
      this.#queue.push({ bytes, settle: resolve });
      this.#queuedBytes += bytes.length;
      return promise;
    });
    // Later: a delivery to many iterates over its receivers now.
    if (full) queueMicrotask(() => this.end("too slow"));
    else this.#sendNext();
    return Promise.all(all).then((answers) => !answers.includes(false));
  }

  async relief(): Promise<void> {
    while (this.congested) {
      const before = this.#queuedBytes;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#context.after(STALL.ms, resolve);
      await promise;
      this.#stalled = before - this.#queuedBytes < STALL.bytes;
    }
  }

  #sendNext(): void {
    if (this.#unacknowledged) return;
    this.#unacknowledged = this.#queue.shift();
    if (!this.#unacknowledged) return;
    this.#sockets.get("TORECV")?.outbox.answer(this.#unacknowledged.bytes);
    const { after, acknowledgeWithinMs } = this.#context;
    this.#timer = after(
      acknowledgeWithinMs,
      () => this.end("acknowledged nothing"),
    );
  }
}

const encoder = new TextEncoder();

function unknown(frame: Frame): ChatError {
  return new ChatError(105, `Cannot do "${frame.verb}" on this socket`);
}

/** What is not stored is not delivered; the course has no error 119. */
function undelivered(error: unknown): never {
  if (!(error instanceof ChatError)) throw error;
  throw new ChatError(102, error.message);
}
