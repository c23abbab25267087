/**
 * Signalling for direct sessions: CALL, ACCEPT and DECLINE are passed on to the
 * user who is named, and nothing is remembered.
 *
 * Only what the protocol knows is passed on, in the form that it has there: no
 * user gets another user's bytes under the server's name. Whether a call is
 * answered, and in time, is left to the clients; see docs/protocol.md.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  header,
  type Headers,
} from "../../protocol.ts";
import { type Command, EXPENSIVE } from "./command.ts";
import type { Context } from "./context.ts";
import type { Registered } from "./registered.ts";
import type { Hub } from "../chat/hub.ts";
import type { User } from "../chat/user.ts";

/** Limit of the addresses that one CALL or ACCEPT names. */
export const MAX_ADDRESSES = 8;

/** The commands of this file, by verb. */
export const CALLS = {
  CALL: { words: [1, 1], cost: EXPENSIVE, run: call },
  ACCEPT: { words: [1, 1], run: accept },
  DECLINE: { words: [1, 1], run: decline },
} as const satisfies Record<string, Command>;

function call(
  { user }: Registered,
  { hub }: Context,
  frame: Frame,
): Uint8Array {
  if (user.muted) {
    throw new ChatError(120, "Cannot call: the operator has muted you");
  }
  const to = otherUser(user, hub, frame);
  to.peer.notify(encode("CALL", [user.name], {
    Session: one(frame, "Session"),
    From: user.peer.remote,
    Address: addresses(frame),
    Commit: one(frame, "Commit"),
    ...purpose(frame),
  }));
  return encode("CALLING", [to.name]);
}

function accept(
  { user }: Registered,
  { hub }: Context,
  frame: Frame,
): Uint8Array {
  const to = otherUser(user, hub, frame);
  to.peer.notify(encode("ACCEPT", [user.name], {
    Session: one(frame, "Session"),
    From: user.peer.remote,
    Address: addresses(frame),
    Key: one(frame, "Key"),
  }));
  return encode("ACCEPTED", [to.name]);
}

function decline(
  { user }: Registered,
  { hub }: Context,
  frame: Frame,
): Uint8Array {
  const to = otherUser(user, hub, frame);
  to.peer.notify(encode("DECLINE", [user.name], {
    Session: one(frame, "Session"),
    Reason: maybe(frame, "Reason"),
  }));
  return encode("DECLINED", [to.name]);
}

/** @throws {ChatError} 102 if there is no such user, 118 if it cannot do it. */
function otherUser(
  user: User,
  hub: Hub,
  { args: [name = ""], verb }: Frame,
): User {
  const other = hub.userNamed(name);
  if (!other) throw new ChatError(102, `no user "${name}" is connected`);
  if (other === user) {
    throw new ChatError(118, `Cannot ${verb} "${name}": that is you`);
  }
  if (other.peer.kind !== "classic") return other;
  throw new ChatError(118, `"${other.name}" has a client without direct calls`);
}

/** The purpose of a call; a file has a name and a size. */
function purpose(frame: Frame): Headers {
  const Purpose = one(frame, "Purpose");
  if (Purpose === "chat") return { Purpose };
  const [Name, Size] = [one(frame, "Name"), one(frame, "Size")];
  return { Purpose, Name, Size, Files: maybe(frame, "Files") };
}

function addresses(frame: Frame): string[] {
  const found = frame.headers.filter(([name]) => name === "address")
    .map(([, value]) => value);
  if (found.length > MAX_ADDRESSES) {
    throw wrong(`over ${MAX_ADDRESSES} of Address`);
  }
  if (found.every((value) => FORMS.Address.test(value))) return found;
  throw wrong("Address is no address:port");
}

/** @throws {ChatError} 105 if the header is missing, or of the wrong form. */
function one(frame: Frame, name: keyof typeof FORMS): string {
  const value = maybe(frame, name);
  if (value !== undefined) return value;
  throw wrong(`${name} is missing`);
}

function maybe(frame: Frame, name: keyof typeof FORMS): string | undefined {
  const value = header(frame, name.toLowerCase());
  if (value === undefined || FORMS[name].test(value)) return value;
  throw wrong(`${name} is of the wrong form`);
}

function wrong(why: string): ChatError {
  return new ChatError(105, `Cannot do that: ${why}`);
}

/** The form of each header. Heads have no control characters at all. */
const FORMS = {
  Session: /^[0-9a-f]{32}$/,
  Commit: /^[0-9a-f]{64}$/,
  Key: /^[0-9a-f]{64}$/,
  Address: /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\]):\d{1,5}$/,
  Purpose: /^(chat|file)$/,
  Name: /^.{1,255}$/u,
  Size: /^\d{1,15}$/,
  Files: /^\d{1,7}$/,
  Reason: /^.{1,200}$/u,
} as const;
