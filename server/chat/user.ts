/**
 * Users, rooms and peers: the types that the parts of the chat share.
 *
 * @module
 */
import type { Batch } from "./batch.ts";

/** How a user registered, as WHO lists it. */
export type UserKind = "guest" | "account" | "classic";

/** A receiver of messages, which may read slowly. */
export interface Reader {
  /** Whether a flooding sender must wait for {@linkcode Reader.relief}. */
  readonly congested: boolean;
  /** Resolves when it has caught up, or makes no progress. */
  relief(): Promise<void>;
}

/** The connection, or connections, of a user. */
export interface Peer extends Reader {
  /** `address:port` of the client. */
  readonly remote: string;
  readonly kind: UserKind;

  /** Queues a NOTICE. `bytes` are shared. */
  notify(bytes: Uint8Array): void;

  /**
   * Queues a batch: as `forwards`, which are shared, or made from `batch`.
   *
   * @returns If the client acknowledges messages: whether it acknowledges all
   * of these.
   */
  forward(batch: Batch, forwards: Uint8Array): Promise<boolean> | undefined;
}

/** A registered user. */
export interface User {
  /** As it is shown; case is ignored for identity. */
  readonly name: string;
  readonly peer: Peer;
  /** The user's rooms, and the newest message when each was joined. */
  readonly rooms: Map<Room, number>;
  /** Whether the operator has muted the user. */
  muted: boolean;
}

/** A room with members. */
export interface Room {
  /** As its first member wrote it, `#` included. */
  readonly name: string;
  /** In the order of joining. */
  readonly members: Set<User>;
}

/** Result of handing on a batch. */
export interface Delivery {
  /** How many users it was queued for. */
  readonly recipients: number;
  /** One for each two-socket user: whether it acknowledged every message. */
  readonly acknowledged: readonly Promise<boolean>[];
  /** The receivers that read more slowly than they are sent to. */
  readonly congested: readonly Reader[];
}

/** Where a journal hands on what it stored, in the order of ids. */
export interface Output {
  /** `forwards` are the FORWARD frames of `batch`; do not change them. */
  deliver(batch: Batch, forwards: Uint8Array): Delivery;
}

/** Logs that a user joined a room. */
export function logJoined(
  user: User,
  room: string,
  { log }: { readonly log: (line: string) => void },
): void {
  log(`${user.name} joined room [${room.slice(1)}] from <${user.peer.remote}>`);
}

/** Logs that a user left a room. */
export function logLeft(
  user: User,
  room: string,
  { log }: { readonly log: (line: string) => void },
): void {
  log(`${user.name} left room [${room.slice(1)}]`);
}
