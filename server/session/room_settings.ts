/**
 * The command SET, and what users are told of the settings of a room. It is loaded
 * with the first of them.
 *
 * @module
 */
import { ChatError, encode, type Frame, text } from "../../protocol.ts";
import { printable } from "../chat/names/names.ts";
import {
  changeHeaders,
  isSameName,
  MAX_TOPIC_BYTES,
  type RoomSettings,
  type SettingsChange,
  type Voice,
} from "../chat/room_settings.ts";
import type { Registered } from "./sender.ts";
import { type Context, malformed, single, visible } from "./session.ts";

/**
 * A room has other settings: the hub and its members are told. A client that does
 * not know that would take a notice without `Alternate` for an empty list.
 */
export function tellSettings(
  { alternates, hub }: Pick<Context, "alternates" | "hub">,
  { room: name, quiet }: RoomSettings,
  change: SettingsChange,
  by?: string,
): void {
  const room = hub.roomNamed(name);
  if (!room) return;
  room.quiet = quiet;
  const headers = {
    Room: room.name,
    By: by,
    ...changeHeaders(change),
    Alternate: alternates?.texts,
  };
  const notice = encode("NOTICE", ["set"], headers, change.topic);
  for (const { peer } of room.members) peer.notify(notice);
}

/**
 * SET: changes the settings of a room that the user is in; or what makes a private
 * room: its members, its owner, and whether it goes on.
 *
 * @throws {ChatError} 122 if neither the room nor all rooms are the user's.
 */
export async function set(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const word = frame.args[0]!; // it has one
  const [remove, owner, closed] = ["remove", "owner", "closed"]
    .map((name) => single(frame, name));
  const given = [remove, owner, closed].filter((one) => one !== undefined);
  if (given.length === 0) {
    return await setSettings(registered, context, { word, frame });
  }
  if (closed !== undefined && closed !== "yes") {
    throw malformed("Closed is not yes");
  }
  if (given.length > 1) {
    throw malformed("it must have one of Remove, Owner and Closed");
  }
  const { changeRoom } = await import("../accounts/membership.ts");
  const change = { remove, owner, closed: closed === "yes" };
  const room = await changeRoom(registered, context, { word, change });
  return encode("CHANGED", [room]);
}

async function setSettings(
  registered: Registered,
  context: Context,
  { word, frame }: { readonly word: string; readonly frame: Frame },
): Promise<Uint8Array> {
  const { hub, moderators, now } = context;
  const { account, user } = registered;
  const asked = askedOf(frame);
  const known = visible(registered, context, word, "change");
  const room = hub.memberRoom(user, known, "change");
  const settings = await context.roomSettings.load();
  const isAllowed = account && (settings.isOwner(room.name, account) ||
    moderators.loaded?.has(account));
  if (!isAllowed) {
    const why = "only its owner and moderators can";
    throw new ChatError(122, `Cannot change ${room.name}: ${why}`);
  }
  const { voice, unvoice, ...others } = asked;
  const change = {
    ...others,
    ...voice !== undefined && { voice: voiceOf(context, voice) },
    ...unvoice !== undefined && {
      unvoice: unvoiceOf(settings.of(room.name), unvoice),
    },
  };
  if (change.topic !== undefined) hub.muting.check(user, "set a topic");
  registered.pace.countStored(1, frame.body.length, now());
  await settings.set(room.name, change, user.name);
  const { remote } = registered;
  const what = Object.keys(change).join(", ");
  context.log(
    `${user.name} set ${what} of room [${room.name.slice(1)}] from <${remote}>`,
    remote,
  );
  return encode("CHANGED", [room.name]);
}

/** What a request asks for: names as they were typed. */
interface Asked extends Pick<SettingsChange, "quiet" | "topic"> {
  readonly voice?: string;
  readonly unvoice?: string;
}

/** @throws {ChatError} 105, 106 or 107 if it is no change. */
function askedOf(frame: Frame): Asked {
  const quiet = single(frame, "quiet");
  const voice = single(frame, "voice");
  const unvoice = single(frame, "unvoice");
  const topic = topicOf(frame);
  if (quiet !== undefined && quiet !== "yes" && quiet !== "no") {
    throw malformed("Quiet is neither yes nor no");
  }
  if (voice !== undefined && unvoice !== undefined) {
    throw malformed("Voice and Unvoice are two requests");
  }
  const asked = {
    ...quiet !== undefined && { quiet: quiet === "yes" },
    ...voice !== undefined && { voice },
    ...unvoice !== undefined && { unvoice },
    ...topic !== undefined && { topic },
  };
  if (Object.keys(asked).length > 0) return asked;
  throw malformed("SET has Quiet, Voice, Unvoice, or a topic as body");
}

/** The topic; undefined if the frame has no body, not even an empty one. */
function topicOf(frame: Frame): string | undefined {
  const length = single(frame, "content-length");
  if (length === undefined) return undefined;
  if (frame.body.length > MAX_TOPIC_BYTES) {
    const why = `${frame.body.length} bytes; the limit is ${MAX_TOPIC_BYTES}`;
    throw new ChatError(106, `Cannot take a topic of ${why}`, {
      headers: { Limit: MAX_TOPIC_BYTES },
    });
  }
  const topic = text(frame.body)?.trim();
  if (topic === undefined) {
    throw new ChatError(107, "Cannot take a topic that is not UTF-8");
  }
  if (/\p{Cc}|[\u2028\u2029]/u.test(topic)) {
    throw malformed("the topic is not one line of text");
  }
  return topic;
}

/** @throws {ChatError} 102 if nobody has that name. */
function voiceOf({ accounts, hub }: Context, word: string): Voice {
  const account = accounts.loaded?.named(word);
  if (account) return { name: account.name, createdAt: account.createdAt };
  const user = hub.userNamed(word) ?? hub.elsewhere?.named(word);
  if (user) return { name: user.name, createdAt: null };
  throw new ChatError(102, `no user "${printable(word)}" is connected`);
}

/** @throws {ChatError} 102 if the user has no voice. */
function unvoiceOf(settings: RoomSettings | undefined, word: string): string {
  const voice = settings?.voices.find(({ name }) => isSameName(name, word));
  if (voice) return voice.name;
  throw new ChatError(102, `"${printable(word)}" has no voice in the room`);
}
