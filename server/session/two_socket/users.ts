/**
 * Two-socket clients, of a course (see docs/protocol.md): a user is two sockets,
 * one to send and one to receive, and acknowledges everything.
 *
 * A two-socket user is sent what is for the user, for ALL and for #default: one
 * line at a time (lines.ts), the next only after its RECEIVED. It gets
 * no NOTICEs, and errors without headers: real clients compare the whole string.
 *
 * @module
 */
import {
  ChatError,
  DEFAULT_ROOM,
  encode,
  type Frame,
  isText,
} from "../../../protocol.ts";
import type { Journal } from "../../journal/journal.ts";
import { type Connection, hostOf } from "../../net/connection.ts";
import type { Clock } from "../../net/clock.ts";
import type { RateKind } from "../../limits/rates.ts";
import type { Hub } from "../../chat/hub.ts";
import type { Peer, User } from "../../chat/user.ts";
import { NameMap } from "../../chat/names/names.ts";
import { networkOf } from "../../../core/net/ip_address.ts";
import { HIGH_WATER_BYTES, MAX_OUTBOX_BYTES, STALL } from "../../net/outbox.ts";
import type { Batch } from "../../chat/batch.ts";
import { Patience } from "./patience.ts";
import { bodyLength, forwardOf, harmless, linesOf } from "./lines.ts";

/** A receiver must send RECEIVED within this time, in milliseconds. */
const ACKNOWLEDGE_WITHIN_MS = 5_000;

/**
 * A sender gets its answer within this time, in milliseconds: one slow receiver
 * must not hold up all senders.
 */
const ANSWER_WITHIN_MS = 15_000;

/** A receiver that refuses so many messages in a row is removed. */
const MAX_REFUSED = 3;

/**
 * A receiver that reads a message in parts answers each part. With more answers in
 * a row that nothing asked for, it waits for the rates of its address.
 */
const MAX_SURPLUS = 10;

/**
 * After REGISTERED and after a refusal, a client gets this time before its next
 * FORWARD, in milliseconds. Many take what one read gives for one frame. Those
 * that read a long message in parts refuse each part.
 */
export const PAUSE_MS = 250;

/** What a queued message counts beside its body, in bytes. */
const MESSAGE_OVERHEAD_BYTES = 100;

/** Which of a user's two sockets one is. */
export type Role = "TOSEND" | "TORECV";

/** What two-socket users need of the server. */
export interface TwoSocketContext extends Clock {
  readonly hub: Hub;
  readonly journal: Journal;
  /** A receiver must send RECEIVED within this time, in milliseconds; default 5,000. */
  readonly acknowledgeWithinMs?: number | undefined;
  /** Has a name for a user on all servers of the chat, if there are others. */
  readonly claim?:
    | ((name: string, lost: () => void) => Promise<Disposable>)
    | undefined;
}

/** The two-socket users, with those that have one socket so far. */
export class TwoSocketUsers {
  readonly #context: TwoSocketContext;
  readonly #users = new NameMap<TwoSocketUser>();
  readonly #patience: Patience;

  constructor(context: TwoSocketContext) {
    this.#context = context;
    this.#patience = new Patience(context.now);
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
      waiting.take(role, connection);
      return waiting;
    }
    try {
      this.#context.hub.names.reserve(name);
    } catch (cause) {
      if (!(cause instanceof ChatError) || cause.closes) throw cause;
      throw new ChatError(100, cause.message, { cause });
    }
    const user = new TwoSocketUser(name, this.#context, this.#patience);
    this.#users.add(name, user);
    user.take(role, connection);
    const lost = () => this.remove(user, "name in use");
    user.claiming = this.#context.claim?.(name, lost);
    user.claiming?.catch(() => {}); // both sockets are told
    return user;
  }

  /**
   * Resolves when the user has its name on all servers.
   *
   * @throws {ChatError} 100 if another server has a user of that name, and 119 if
   * the servers cannot agree; then the user is removed.
   * @throws {UndecidedError} If that is not known.
   */
  async claimed(user: TwoSocketUser): Promise<void> {
    try {
      await user.claiming;
    } catch (cause) {
      this.remove(user, "name in use");
      if (!(cause instanceof ChatError) || cause.code !== 104) throw cause;
      throw new ChatError(100, cause.message, { cause });
    }
  }

  /** Removes the user, and ends both sockets. Idempotent. */
  remove(user: TwoSocketUser, reason: string): void {
    if (this.#users.get(user.name) !== user) return;
    this.#users.delete(user.name);
    this.#context.hub.names.release(user.name);
    user.claiming?.then((claim) => claim[Symbol.dispose](), () => {});
    user.end(reason);
  }
}

/** A message that is not acknowledged. */
interface Waiting {
  readonly from: string;
  readonly body: Uint8Array;
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
  /** What gives its name up again on all servers, when it has it. */
  claiming: Promise<Disposable> | undefined;
  readonly #context: TwoSocketContext;
  readonly #patience: Patience;
  readonly #sockets = new Map<Role, Connection>();
  #registered = 0; // of the sockets
  #queue: Waiting[] = []; // the first is the one that is being sent
  #queuedBytes = 0;
  #lines: string[] | undefined; // of the first, which are still to be sent
  #isUnacknowledged = false; // the last line that was sent
  #refused = 0; // messages in a row
  #surplus = 0; // frames in a row that nothing asked for
  #timer: Disposable | undefined; // no line is sent before it
  #stalled = false;

  /** A user without sockets; see {@linkcode TwoSocketUser.take}. */
  constructor(name: string, context: TwoSocketContext, patience: Patience) {
    this.name = name;
    this.#context = context;
    this.#patience = patience;
  }

  get remote(): string {
    const socket = this.#sockets.get("TOSEND") ?? this.#sockets.get("TORECV");
    return socket?.remote ?? "";
  }

  get network(): string {
    return networkOf(hostOf(this.remote));
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

  /** Takes a socket, which is to be told REGISTERED. */
  take(role: Role, connection: Connection): void {
    this.#sockets.set(role, connection);
    if (role === "TOSEND") connection.decoder.bodyLength = bodyLength;
  }

  /** A socket is told REGISTERED; with the second one the user enters. */
  registered(): void {
    if (++this.#registered < 2) return;
    const { hub, journal } = this.#context;
    this.#pause();
    hub.muting.newcomer(this.name);
    this.user = hub.enter(this.name, this);
    hub.join(this.user, DEFAULT_ROOM, journal);
  }

  /** Ends both sockets; what was not acknowledged never will be. */
  end(reason: string): void {
    this.#timer?.[Symbol.dispose]();
    for (const { settle } of this.#queue) settle(false);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#isUnacknowledged = false;
    for (const socket of this.#sockets.values()) socket.end(reason);
  }

  /**
   * What a frame of one socket counts as: one that nothing asked for is a request.
   * A receiver is `exempt` from what its address owes, for its acknowledgements are
   * not to be late; but not one that sends many that nothing asked for.
   */
  judge(
    role: Role,
    { verb }: Frame,
  ): { readonly kind: RateKind; readonly exempt: boolean } {
    if (role === "TOSEND") return { kind: "messages", exempt: false };
    const asked = this.#isUnacknowledged && isAnswer(verb);
    this.#surplus = asked ? 0 : this.#surplus + 1;
    const kind = asked ? "messages" : "requests";
    return { kind, exempt: this.#surplus <= MAX_SURPLUS };
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
    const { hub, journal } = this.#context;
    const to = this.#checkTarget(this.user, frame.args[0]!);
    const drafts = [{ to, body: frame.body }];
    const [stored] = await journal.append(this.name, drafts).catch(undelivered);
    const { delivery, firstId } = stored!; // one result for one draft
    const late = Promise.withResolvers<boolean[]>();
    using _timer = this.#context.after(
      ANSWER_WITHIN_MS,
      () => late.resolve([false]),
    );
    const all = Promise.all([
      ...delivery.acknowledged,
      ...hub.elsewhere?.acknowledged(to, firstId) ?? [],
    ]);
    const acknowledged = await Promise.race([all, late.promise]);
    const kept = delivery.recipients > 0 || hub.names.owned(to) !== undefined; // for its login
    if (!kept || acknowledged.includes(false)) {
      throw new ChatError(102, "Cannot deliver to all receivers");
    }
    return encode("SEND", [frame.args[0]!]);
  }

  #checkTarget(user: User, word: string): string {
    try {
      return this.#context.hub.checkTarget(user, word);
    } catch (error) {
      if (!(error instanceof ChatError) || error.code !== 120) throw error;
      throw new ChatError(102, error.message); // it knows no 120
    }
  }

  #fromReceiver(frame: Frame): void {
    const refuses = frame.verb === "ERROR";
    if (!isAnswer(frame.verb)) throw unknown(frame);
    if (!this.#isUnacknowledged) return; // one answer too many does no harm
    this.#isUnacknowledged = false;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (refuses) {
      this.#settle(false);
      if (++this.#refused === MAX_REFUSED) return this.end("refused messages");
      return this.#pause();
    }
    if (this.#lines?.length === 0) {
      this.#refused = 0;
      this.#settle(true);
    }
    this.#sendNext();
  }

  /** The first message of the queue is acknowledged, or refused. */
  #settle(acknowledged: boolean): void {
    const message = this.#queue.shift()!; // it is there while it is sent
    this.#lines = undefined;
    this.#queuedBytes -= sizeOf(message);
    if (this.#queuedBytes <= HIGH_WATER_BYTES) this.#stalled = false;
    message.settle(acknowledged);
  }

  notify(): void {
    // The course's protocol has no notices.
  }

  forward(batch: Batch): Promise<boolean> | false {
    const bodies = harmless(batch);
    if (bodies.length === 0) return false;
    const full = this.#queuedBytes > MAX_OUTBOX_BYTES;
    const all = bodies.map((body) => {
      if (body.length === 0) return true; // nothing is sent, so nothing waits
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const message = { from: batch.from, body, settle: resolve };
      this.#queue.push(message);
      this.#queuedBytes += sizeOf(message);
      return promise;
    });
    // Later: a delivery to many iterates over its receivers now.
    if (full) queueMicrotask(() => this.end("too slow"));
    else this.#sendNext();
    const isWhole = bodies.length === batch.bodies.length;
    if (!this.#holdsUp(batch)) {
      return Promise.all(all).then((a) => isWhole && !a.includes(false));
    }
    const { network } = this; // also when the sockets are gone
    if (!this.#patience.lasts(network)) return Promise.resolve(isWhole);
    const waited = this.#patience.wait(network);
    return Promise.all(all).then((a) => {
      waited();
      return isWhole && !a.includes(false);
    });
  }

  /** Whether another two-socket user waits for us, with a message to many. */
  #holdsUp({ from, to }: Batch): boolean {
    const { hub } = this.#context;
    const sender = hub.userNamed(from) ?? hub.elsewhere?.named(from);
    return to !== this.name && sender?.peer.kind === "classic";
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

  /** Sends the next line, unless the client has not answered the last one. */
  #sendNext(): void {
    const [first] = this.#queue;
    if (this.#timer || !first) return;
    this.#lines ??= linesOf(first.body);
    // There is one: a message without lines is not queued, and the last one
    // settles it.
    this.#send(forwardOf(first.from, this.#lines.shift()!));
  }

  #send(forward: Uint8Array): void {
    const { after, acknowledgeWithinMs = ACKNOWLEDGE_WITHIN_MS } =
      this.#context;
    this.#sockets.get("TORECV")?.outbox.answer(forward);
    this.#isUnacknowledged = true;
    this.#timer = after(
      acknowledgeWithinMs,
      () => this.end("acknowledged nothing"),
    );
  }

  #pause(): void {
    this.#timer = this.#context.after(PAUSE_MS, () => {
      this.#timer = undefined;
      this.#sendNext();
    });
  }
}

function sizeOf({ body }: Waiting): number {
  return body.length + MESSAGE_OVERHEAD_BYTES;
}

/** Whether a receiver answers a line with that. */
function isAnswer(verb: string): boolean {
  return verb === "RECEIVED" || verb === "ERROR";
}

function unknown(frame: Frame): ChatError {
  return new ChatError(105, `Cannot do "${frame.verb}" on this socket`);
}

/** What is not stored is not delivered; the course has no error 119. */
function undelivered(error: unknown): never {
  if (!(error instanceof ChatError)) throw error;
  throw new ChatError(102, error.message);
}
