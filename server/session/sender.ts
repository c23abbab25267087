/**
 * A registered user: the command SEND, with what the user sends, and what the
 * user is sent.
 *
 * SENDs that arrive together are stored and delivered together, which is where
 * the speed comes from: each is checked and becomes a draft, and
 * {@linkcode Registered.flush} appends all drafts to the journal. That delivers
 * them, in the order of the journal, and then they are answered.
 *
 * @module
 */
import {
  ChatError,
  encodeError,
  type Frame,
  isText,
  isUserName,
} from "../../protocol.ts";
import type { Account } from "../accounts/accounts.ts";
import type { ResumableSession } from "../accounts/session_table.ts";
import { type Batch, type Draft, encodeSents } from "../chat/batch.ts";
import type { Hub } from "../chat/hub.ts";
import { malformedKey, notShown } from "../chat/refusals.ts";
import type { Peer, User } from "../chat/user.ts";
import type { Journal } from "../journal/journal.ts";
import type { Address, LimitedConnection } from "../limits/limits.ts";
import type { Pace } from "../limits/pacing.ts";
import type { Floods } from "../net/floods.ts";
import { refuse } from "./answers.ts";
import { Pings } from "../net/pong.ts";
import type { Connection } from "../net/connection.ts";

/** The command SEND: checks it, and makes a draft of it. */
export function send(
  registered: Registered,
  { hub }: { readonly hub: Hub },
  frame: Frame,
): undefined {
  const to = hub.checkTarget(registered.user, frame.args[0]!); // a SEND has one
  if (!isText(frame.body)) {
    throw new ChatError(107, "Cannot send a message that is not UTF-8");
  }
  registered.add(frame, to);
}

/** What registered users share. */
interface Shared {
  readonly floods: Floods | undefined;
  readonly hub: Hub;
  readonly journal: Journal;
  readonly now: () => number;
}

/** The state of a session whose user is registered. */
export class Registered implements Peer {
  readonly type = "registered";
  readonly user: User;
  readonly connection: Connection;
  readonly address: Address;
  /** What the user can resume with its token. */
  resumable: ResumableSession;
  /** Undefined for a guest. */
  account: Account | undefined;
  /** PING and PONG. */
  readonly pings = new Pings(this);
  readonly pace: Pace;
  readonly #shared: Shared;
  #drafts: Draft[] = [];
  /** The words of the last draft, if it has no key; and its target. */
  #words: readonly string[] | undefined;
  #to = "";
  #held: Uint8Array[] | undefined = []; // until what was missed is sent
  #heldBytes = 0;

  /** Enters the hub under a reserved name, or is one more device of `user`. */
  constructor(
    { address, connection, pace }: LimitedConnection & {
      connection: Connection;
    },
    shared: Shared,
    { name, account, resumable, user }:
      & Pick<Registered, "account" | "resumable">
      & { name: string; user?: User | undefined },
  ) {
    this.connection = connection;
    this.address = address;
    this.account = account;
    this.resumable = resumable;
    this.user = user ?? shared.hub.enter(name, this);
    this.pace = pace;
    this.#shared = shared;
  }

  get kind(): "account" | "guest" {
    return this.account ? "account" : "guest";
  }

  get remote(): string {
    return this.connection.remote;
  }

  get network(): string {
    return this.address.network;
  }

  get congested(): boolean {
    return this.connection.outbox.congested;
  }

  relief(): Promise<void> {
    return this.connection.outbox.relief();
  }

  /** The number of the device; a guest's has none. */
  get device(): number | undefined {
    return this.account && this.resumable.device;
  }

  forward(_batch: Batch, forwards: Uint8Array): undefined {
    this.notify(forwards);
  }

  echo({ device }: Batch, forwards: Uint8Array): void {
    if (device !== this.device) this.notify(forwards);
  }

  notify(bytes: Uint8Array): void {
    const { outbox } = this.connection;
    if (!this.#held) return outbox.push(bytes);
    if (this.#heldBytes > outbox.maxBytes) return this.connection.overflowed();
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  /** Whether what was missed is sent; new messages follow at once. */
  get caughtUp(): boolean {
    return this.#held === undefined;
  }

  /** What was missed is sent: sends what was held back meanwhile. */
  release(): void {
    for (const bytes of this.#held ?? []) this.connection.outbox.push(bytes);
    this.#held = undefined;
  }

  /** Adds a SEND to the drafts; `to` is its target, which was checked. */
  add(frame: Frame, to: string): void {
    const key = this.keyOf(frame);
    const { args, body } = frame;
    this.#drafts.push(key === undefined ? { to, body } : { to, body, key });
    this.#words = key === undefined ? args : undefined;
    this.#to = to;
  }

  /**
   * Adds a SEND with the very head of the last draft, which needs no other check
   * until the drafts are stored: nothing else happens before. The decoder reads a
   * head that repeats once, so that this compares two references.
   *
   * @returns Whether it is one.
   */
  repeat({ args, body }: Frame): boolean {
    if (args !== this.#words || !isText(body)) return false;
    this.#drafts.push({ to: this.#to, body });
    return true;
  }

  /**
   * Stores the drafts, if there are any, which delivers them, and answers SENT. A
   * flood then waits for slow receivers, and so goes as fast as they read; a user
   * who chats never waits for others.
   */
  flush(): Promise<void> | undefined {
    return this.#drafts.length === 0 ? undefined : this.#flush(this.#drafts);
  }

  async #flush(drafts: readonly Draft[]): Promise<void> {
    this.#drafts = [];
    this.#words = undefined;
    const { outbox, idleSince } = this.connection; // which is about now
    const floods = this.pace.floods(idleSince)
      ? this.#shared.floods
      : undefined;
    if (floods) await floods.pass(this.network);
    const stored = await this.#append(drafts, floods && true);
    let draft = 0;
    for (const { firstId, at, count, delivery } of stored) {
      const { to } = drafts[draft]!; // as many as were stored
      const { recipients, acknowledged } = delivery;
      if (acknowledged[0] === false && isUserName(to)) {
        const refusal = encodeError(notShown(to), `SEND ${to}`);
        for (let i = 0; i < count; i++) outbox.answer(refusal);
      } else outbox.answer(encodeSents({ to, firstId, at, count, recipients }));
      draft += count;
    }
    const slow = new Set(stored.flatMap(({ delivery }) => delivery.congested));
    if (slow.size > 0 && this.pace.floods(this.#shared.now())) {
      await Promise.all(Array.from(slow, (reader) => reader.relief()));
    }
  }

  /**
   * The key under which the journal knows a SEND again; undefined without one.
   *
   * @throws {ChatError} 105 if the header Key is malformed, or there twice.
   */
  keyOf({ headers }: Frame): string | undefined {
    if (headers.length < 2) return undefined; // the one is its Content-length
    const [key, again] = headers.filter(([name]) => name === "key");
    if (!key) return undefined;
    if (again) throw malformedKey("is there twice");
    if (!/^[\x20-\x7e]{1,64}$/.test(key[1])) {
      throw malformedKey("is not 1 to 64 printable characters");
    }
    // A guest's name may have had other owners.
    const scope = this.account?.keyScope ?? this.resumable.token;
    return `${scope} ${key[1]}`;
  }

  /** SENT again, if a message with this key is stored; else undefined. */
  repeated(to: string, key: string | undefined): Uint8Array | undefined {
    const stored = key && this.#shared.journal.repeated(key);
    if (!stored) return undefined;
    return encodeSents({ to, ...stored, ...stored.delivery });
  }

  /** Stores drafts; if they cannot be stored, refuses them. */
  async #append(drafts: readonly Draft[], flood?: true) {
    try {
      const bytes = drafts.reduce((sum, { body }) => sum + body.length, 0);
      this.pace.countStored(drafts.length, bytes, this.#shared.now());
      const { name } = this.user;
      const { journal } = this.#shared;
      return await journal.append(name, drafts, flood, this.device);
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      refuse(this, drafts, error);
      return [];
    }
  }
}
