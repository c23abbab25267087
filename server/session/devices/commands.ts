/**
 * DEVICES and READ: what concerns the devices of one account alone. Loaded with the
 * first of these commands.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  isRoomName,
  isUserName,
  targetKind,
} from "../../../protocol.ts";
import type { Account } from "../../accounts/accounts.ts";
import type { ResumableSession } from "../../accounts/session_table.ts";
import type { Registered } from "../sender.ts";
import { type Context, malformed, number } from "../session.ts";

/** DEVICES: lists the devices of the account, or ends one. */
export async function devices(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const { resumable } = registered;
  owner(registered);
  const { resumables } = context;
  const [deed, word] = frame.args;
  if (deed !== undefined) {
    const isEnd = deed.toLowerCase() === "end" && /^\d{1,2}$/.test(word ?? "");
    if (!isEnd) throw malformed("it is DEVICES, or DEVICES end NUMBER");
    await resumables.endByDevice(found(registered, context, Number(word)));
  }
  const lines = resumables.all(resumable.key)
    .toSorted((a, b) => a.device - b.device)
    .map((one) => lineOf(one, one === resumable));
  return encode("DEVICES", [], {}, lines.join(""));
}

/** The device that is to be ended. @throws {ChatError} 105 if there is none. */
function found(
  { resumable }: Registered,
  { resumables }: Context,
  device: number,
): ResumableSession {
  const session = resumables.all(resumable.key)
    .find((one) => one.device === device);
  if (!session) throw malformed(`your account has no device ${device}`);
  if (session !== resumable) return session;
  throw malformed(`device ${device} is this one; send LOGOUT to end it`);
}

/** Its number, since when, from where, what it is to the asker, and the program. */
function lineOf(session: ResumableSession, isThis: boolean): string {
  const { device, at, address, client, goneAt } = session;
  const since = at > 0 && at < MAX_TIME ? new Date(at).toISOString() : "-";
  const state = isThis ? "this" : goneAt < Infinity ? "lost" : "connected";
  // They come from a file, which may be damaged.
  const words = [address || "-", state, client].map((word) =>
    word.replaceAll(/[^\x20-\x7e]/g, "?")
  );
  return `${[device, since, ...words].join(" ").trimEnd()}\n`;
}

/** Of a Date, in milliseconds since the epoch. */
const MAX_TIME = 8.64e15;

/** READ: notes how far a conversation is read, for the other devices. */
export async function read(
  registered: Registered,
  { journal, readMarks }: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const account = owner(registered);
  const [word = ""] = frame.args;
  const target = targetKind(word) === "all" ? "ALL" : word;
  if (target !== "ALL" && !isRoomName(target) && !isUserName(target)) {
    throw malformed("its target is no room, no user and not ALL");
  }
  const id = number(frame, "id");
  if (id === undefined) throw malformed("Id is missing");
  if (id > journal.lastId) throw malformed("no message has that Id yet");
  const marks = await readMarks.load();
  await marks.put(account, { target, id }, registered.device);
  return encode("READ", [target], { Id: id });
}

/** The account. @throws {ChatError} 122 for a guest. */
function owner({ account }: Registered): Account {
  if (account) return account;
  const why = "guests have one device; sign up to use several";
  throw new ChatError(122, `Cannot do that: ${why}`);
}
