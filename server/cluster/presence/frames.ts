/**
 * What servers send each other about their users, as bytes: JSON, in which a
 * reader finds every fact. Whatever else is on the bus is refused: decode() says
 * why, and no text of a stranger gets into a list, a head or a terminal unchecked.
 *
 * @module
 */
import { isRoomName, isUserName } from "../../../protocol.ts";
import type { Signal } from "../../chat/user.ts";
import { MAX_ROOMS_PER_USER } from "../../chat/refusals.ts";
import type { Change } from "./facts.ts";

/** Longest message, in bytes. NATS takes 1 MiB, if nobody has changed it. */
export const MAX_FRAME_BYTES = 48 * 1024;

/** The changes of one message have about so many bytes, or one more of them. */
const CHANGES_BYTES = 32 * 1024;

/** Limit of the messages of one snapshot. */
export const MAX_PIECES = 4_096;

/** The version of these messages. */
const VERSION = 1;

/** What a message is about. */
export type Frame =
  & {
    /** The name of the server that sends it. */
    readonly server: string;
    /** Which life of that server it is. */
    readonly epoch: string;
    /** A number that is greater in each later life. */
    readonly since: number;
  }
  & (
    /** I am here: after so many deltas my facts have this digest. */
    | { readonly kind: "beat"; readonly n: number; readonly digest: string }
    /** The delta of that number. */
    | {
      readonly kind: "delta";
      readonly n: number;
      readonly changes: readonly Change[];
    }
    /** A piece of all facts, as they are after so many deltas. */
    | {
      readonly kind: "piece";
      readonly n: number;
      readonly piece: number;
      readonly of: number;
      readonly changes: readonly Change[];
    }
    /** The server `of`, or each for `*`, shall send all its facts. */
    | { readonly kind: "ask"; readonly of: string }
    /** A signal for a user of the server `of`. */
    | {
      readonly kind: "signal";
      readonly of: string;
      readonly to: string;
      readonly signal: Signal;
    }
    /** Whether my two-socket users acknowledge a message of a user of `of`. */
    | {
      readonly kind: "ack";
      readonly of: string;
      readonly id: number;
      readonly all: boolean;
    }
    /** I stop: my users move. */
    | { readonly kind: "bye" }
  );

/** The bytes of a message. */
export function encodeFrame(frame: Frame): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ v: VERSION, ...frame }));
}

/** Divides changes among messages; no message without changes. */
export function* portions(changes: Iterable<Change>): Generator<Change[]> {
  let portion: Change[] = [];
  let bytes = 0;
  for (const change of changes) {
    portion.push(change);
    bytes += JSON.stringify(change).length;
    if (bytes < CHANGES_BYTES) continue;
    yield portion;
    [portion, bytes] = [[], 0];
  }
  if (portion.length > 0) yield portion;
}

/** Reads a message; a text if it is none: why. */
export function decodeFrame(bytes: Uint8Array): Frame | string {
  if (bytes.length > MAX_FRAME_BYTES) return "it is too long";
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return "it is no JSON";
  }
  if (!isRecord(found)) return "it is no message of Parley";
  const { v, server, epoch, since, kind, n } = found;
  const { digest, changes, piece, of } = found;
  if (v !== VERSION) {
    return isCount(v) && v > VERSION
      ? "it is of a newer version of Parley"
      : "it is no message of Parley";
  }
  if (!isServerName(server) || !isServerName(epoch) || !isCount(since)) {
    return "it names no server";
  }
  const from = { server, epoch, since };
  if (kind === "bye") return { ...from, kind };
  if (kind === "ask") {
    return of === "*" || isServerName(of)
      ? { ...from, kind, of }
      : "it asks no server";
  }
  if (kind === "ack") {
    const { id, all } = found;
    return isServerName(of) && isCount(id) && typeof all === "boolean"
      ? { ...from, kind, of, id, all }
      : "it acknowledges nothing";
  }
  if (kind === "signal") {
    const { to, signal } = found;
    return isServerName(of) && isUser(to) && isSignal(signal)
      ? { ...from, kind, of, to, signal }
      : "it has what is no signal";
  }
  if (!isCount(n)) return "it has no number";
  if (kind === "beat") {
    return isText(digest, /^[0-9a-z.]{1,20}$/)
      ? { ...from, kind, n, digest }
      : "it has no digest";
  }
  if (!Array.isArray(changes) || !changes.every(isChange)) {
    return "it has what is no change";
  }
  if (kind === "delta") return { ...from, kind, n, changes };
  const isPiece = kind === "piece" && isCount(of) && of <= MAX_PIECES &&
    isCount(piece) && piece < of;
  return isPiece ? { ...from, kind, n, piece, of, changes } : "it is unknown";
}

/** Whether a server can have that name; its epoch is such a word, too. */
export function isServerName(name: unknown): name is string {
  return isText(name, /^[A-Za-z0-9_-]{1,32}$/);
}

function isChange(change: unknown): change is Change {
  if (!Array.isArray(change)) return false;
  const [what, key, second, third, rooms, ...rest] = change;
  if (rest.length > 0) return false;
  if (what === "#") return isText(key, WORD) && isCount(second);
  if (!isUser(key)) return false;
  switch (what) {
    case "+":
      return isPeer(second, third) && Array.isArray(rooms) &&
        rooms.length <= MAX_ROOMS_PER_USER && rooms.every(isRoom);
    case "=":
      return isPeer(second, third);
    case "~":
      return change.length === 2;
    case "-":
      return isText(second, /^[\x20-\x7e]{0,200}$/);
    case ">":
    case "<":
      return isRoom(second);
  }
  return false;
}

/** An address and a port, or a network, as it is shown in lists. */
const WORD = /^[\x21-\x7e]{1,80}$/;

function isPeer(remote: unknown, kind: unknown): boolean {
  return isText(remote, WORD) && isText(kind, /^(guest|account|classic)$/);
}

/** Whether it can be sent to a user: requests.ts has the whole form of each. */
function isSignal(signal: unknown): signal is Signal {
  if (!isRecord(signal) || !isRecord(signal["headers"])) return false;
  const { verb, from, headers, device, but } = signal;
  const isDevice = (one: unknown) => one === undefined || isCount(one);
  return isDevice(device) && isDevice(but) &&
    isText(verb, /^(CALL|ACCEPT|DECLINE)$/) && isUser(from) &&
    Object.entries(headers).every(([name, value]) =>
      SIGNAL_HEADERS.test(name) && [value].flat().length <= MAX_VALUES &&
      [value].flat().every((one) => isText(one, /^\P{Cc}{1,255}$/u))
    );
}

const SIGNAL_HEADERS =
  /^(Session|From|Address|Commit|Key|Purpose|Name|Size|Files|Reason)$/;

/** Limit of the values of one header; a call has so many addresses. */
const MAX_VALUES = 8;

function isUser(name: unknown): name is string {
  return typeof name === "string" && isUserName(name);
}

function isRoom(name: unknown): boolean {
  return typeof name === "string" && isRoomName(name);
}

function isText(value: unknown, form: RegExp): value is string {
  return typeof value === "string" && form.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
