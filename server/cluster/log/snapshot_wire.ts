/**
 * What servers ask each other for snapshots, on NATS:
 *
 *     to all servers        anything              an Offer, of each
 *     to one server         a SnapshotRequest     a SnapshotAnswer
 *     to one server         a PartRequest         bytes of the snapshot; none if it
 *                                                 is not there any more
 *
 * All but the bytes is JSON. A server that asks has few requests on their way at a
 * time: so neither NATS nor the server that answers holds much of a snapshot, and
 * the chat on the same connections goes on. NATS's object store would write the
 * snapshot to three disks, which are those that the log waits for.
 *
 * @module
 */
import type { Snapshot } from "../../journal/snapshot.ts";
import { isName } from "../names.ts";

/** How much of a snapshot is in one answer, in bytes. */
export const PART_BYTES = 256 * 1024;

/** What a server says that is asked for a snapshot. */
export interface Offer {
  readonly server: string;
  /** How far it has read the log. */
  readonly sequence: number;
  /** Of its database; see schema.ts. */
  readonly schema: number;
  /** Whether it gives snapshots; otherwise it waits for one, too. */
  readonly gives: boolean;
}

/** A snapshot is wanted. */
export interface SnapshotRequest {
  /** It must have been read up to that sequence. */
  readonly from: number;
}

/** A part of a snapshot is wanted. */
export interface PartRequest {
  readonly id: string;
  /** Where the part begins, in bytes. */
  readonly at: number;
}

/** The answer to a {@linkcode SnapshotRequest}. */
export type SnapshotAnswer =
  | { readonly state: "making" }
  | { readonly state: "failed"; readonly why: string }
  | ReadySnapshot;

/** A snapshot that can be read. */
export interface ReadySnapshot extends Snapshot {
  readonly state: "ready";
  /** A random word, for {@linkcode PartRequest}. */
  readonly id: string;
}

/** A message as bytes. */
export function encodeJson(
  message: Offer | SnapshotRequest | PartRequest | SnapshotAnswer,
): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** An {@linkcode Offer}; undefined if the bytes are none. */
export function offerOf(bytes: Uint8Array): Offer | undefined {
  const { server, sequence, schema, gives } = fieldsOf(bytes);
  if (!isName(server) || !isCount(sequence) || !isCount(schema)) {
    return undefined;
  }
  return { server, sequence, schema, gives: gives === true };
}

/** What a server is asked for; undefined if the bytes are no request. */
export function requestOf(
  bytes: Uint8Array,
): SnapshotRequest | PartRequest | undefined {
  const { from, id, at } = fieldsOf(bytes);
  if (isWord(id) && isCount(at)) return { id, at };
  return isCount(from) ? { from } : undefined;
}

/** A {@linkcode SnapshotAnswer}; undefined if the bytes are none. */
export function answerOf(bytes: Uint8Array): SnapshotAnswer | undefined {
  const fields = fieldsOf(bytes);
  const { state, why, id, sequence, mark, hash, sha256 } = fields;
  if (state === "making") return { state };
  if (state === "failed") return { state, why: String(why).slice(0, 1_000) };
  if (state !== "ready" || !isCount(fields["bytes"])) return undefined;
  if (!isWord(id) || !isWord(mark) || !isWord(hash) || !isWord(sha256)) {
    return undefined;
  }
  if (!isCount(sequence)) return undefined;
  return { state, id, mark, sequence, hash, sha256, bytes: fields["bytes"] };
}

/** The fields of an object in JSON; none if it is no object. */
function fieldsOf(bytes: Uint8Array): Record<string, unknown> {
  try {
    return Object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return {}; // of another program
  }
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && value.length <= 100;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
