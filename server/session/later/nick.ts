/**
 * NICK: a user's display name; and who is told of one.
 *
 * @module
 */
import { ChatError, encode, type Frame, text } from "../../../protocol.ts";
import type { Hub } from "../../chat/hub.ts";
import type { User } from "../../chat/user.ts";
import type { Nicks } from "../../accounts/names/nicks.ts";
import type { Lazy } from "../../../core/lazy.ts";

/** Gives the user the display name in the body, or none. */
export async function nick(
  { user, remote }: { readonly user: User; readonly remote: string },
  { hub, log, nicks }: {
    readonly hub: Hub;
    readonly nicks: Lazy<Nicks>;
    log(line: string, remote: string): void;
  },
  { body }: Frame,
): Promise<Uint8Array> {
  const wanted = text(body);
  if (wanted === undefined) {
    throw new ChatError(107, "Cannot use a display name that is not UTF-8");
  }
  if (wanted !== "") hub.muting.check(user, "change your display name");
  const kept = await (await nicks.load()).set(user.name, wanted);
  const deed = kept === ""
    ? "has no display name any more"
    : `is shown as "${kept}"`;
  log(`${user.name} ${deed}`, remote);
  return encode("NICKED", [], {}, kept);
}

/** Tells the members of each room that the user is in. */
export function tellNick(
  hub: Hub,
  key: string,
  nick: string | undefined,
): void {
  const here = hub.userNamed(key);
  const isHere = here?.name.toLowerCase() === key;
  const user = isHere ? here : hub.elsewhere?.named(key);
  if (!user) return;
  const rooms = "server" in user
    ? user.rooms().map((name) => hub.roomNamed(name))
    : [...user.rooms.keys()];
  const line = nick === undefined ? user.name : `${user.name} ${nick}`;
  for (const room of rooms) {
    if (!room) continue; // no member is here
    const headers = { Room: room.name };
    const notice = encode("NOTICE", ["nick"], headers, `${line}\n`);
    for (const { peer } of room.members) peer.notify(notice);
  }
}
