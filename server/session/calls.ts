/**
 * CALL, ACCEPT and DECLINE, for direct sessions: they are passed on to the user who
 * is named. Only what the protocol knows is passed on, in the form that it has there:
 * no user gets another user's bytes under the server's name. Whether a call is
 * answered, and in time, is left to the clients; which of several devices answers it,
 * server/chat/devices/signals.ts decides.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  header,
  type Headers,
  type ServerVerb,
} from "../../protocol.ts";
import type { Hub } from "../chat/hub.ts";
import { called, passSignal } from "../chat/devices/signals.ts";
import type { Signal, User, UserElsewhere } from "../chat/user.ts";
import type { Registered } from "./sender.ts";
import {
  type Context,
  EXPENSIVE,
  malformed,
  type UserCommand,
} from "./session.ts";

/** Limit of the addresses that one CALL or ACCEPT names. */
export const MAX_ADDRESSES = 8;

/** The commands for direct sessions. */
export const CALLS: Readonly<Record<Signal["verb"], UserCommand>> = {
  CALL: {
    words: [1, 1],
    cost: EXPENSIVE,
    run: passOn("CALL", "CALLING", (frame, From) => ({
      From,
      Address: addresses(frame),
      Commit: one(frame, "Commit"),
      ...purpose(frame),
    })),
  },
  ACCEPT: {
    words: [1, 1],
    run: passOn("ACCEPT", "ACCEPTED", (frame, From) => ({
      From,
      Address: addresses(frame),
      Key: one(frame, "Key"),
    })),
  },
  DECLINE: {
    words: [1, 1],
    run: passOn("DECLINE", "DECLINED", (frame) => ({
      Reason: maybe(frame, "Reason"),
    })),
  },
};

/** What passes a request on as `verb`, and answers with `answer`. */
function passOn(
  verb: Signal["verb"],
  answer: ServerVerb,
  headersOf: (frame: Frame, from: string) => Headers,
): UserCommand["run"] {
  return (registered, context, frame) => {
    const { user, remote, address, device } = registered;
    const { hub, now } = context;
    if (verb === "CALL") hub.muting.check(user, "call");
    const to = otherUser(user, hub, frame);
    const Session = one(frame, "Session");
    const all = { Session, ...headersOf(frame, remote) };
    // The only text of a user in them: one who is muted answers without.
    const headers = hub.muting.isMuted(user)
      ? { ...all, Reason: undefined }
      : all;
    if (verb === "CALL") {
      address.calls.count(to.name, now());
      remember(registered, context, { name: to.name, session: Session });
    }
    passSignal(hub, to.name, { verb, from: user.name, headers, device });
    return encode(answer, [to.name]);
  };
}

/** Notes which device calls, and how many devices ring. */
function remember(
  { resumable }: Registered,
  { resumables }: Context,
  { name, session }: { readonly name: string; readonly session: string },
): void {
  const connected = resumables.all(name).filter(({ goneAt }) =>
    goneAt === Infinity
  );
  called(resumable, session, connected.length);
}

/** @throws {ChatError} 102 if there is no such user, 118 if it cannot do it. */
function otherUser(
  user: User,
  hub: Hub,
  { args: [name = ""], verb }: Frame,
): User | UserElsewhere {
  const other = hub.userNamed(name) ?? hub.elsewhere?.named(name);
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
    throw malformed(`over ${MAX_ADDRESSES} of Address`);
  }
  if (found.every((value) => FORMS.Address.test(value))) return found;
  throw malformed("Address is no address:port");
}

/** @throws {ChatError} 105 if the header is missing, or of the wrong form. */
function one(frame: Frame, name: keyof typeof FORMS): string {
  const value = maybe(frame, name);
  if (value !== undefined) return value;
  throw malformed(`${name} is missing`);
}

function maybe(frame: Frame, name: keyof typeof FORMS): string | undefined {
  const value = header(frame, name.toLowerCase());
  if (value === undefined || FORMS[name].test(value)) return value;
  throw malformed(`${name} is of the wrong form`);
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
