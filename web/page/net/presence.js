// @ts-check
/**
 * Which rooms there are, who is in one, who came and who went.
 *
 * @module
 */
import { linesOf, numberOf } from "../../../core/frames.ts";
import { header } from "../../../protocol.ts";

/** @import { Frame } from "../../../protocol.ts" */
/** @import { Conversation } from "../model/conversation.ts" */

/** So many are named of a crowd that comes or goes. */
const TOLD = 5;

/** Which rooms there are, from the answer to ROOMS. @param {Frame} answer */
export function roomsIn(answer) {
  return linesOf(answer).map((line) => {
    const [name = "", members] = line.split(" ");
    return { name, members: Number(members) || 0 };
  });
}

/** Takes who is there, from the answer to WHO. @param {Conversation} conversation @param {Frame} answer */
export function takePeople(conversation, answer) {
  conversation.people.clear();
  add(conversation.people, linesOf(answer));
  conversation.members = conversation.people.size;
}

/**
 * Takes a NOTICE: keeps who is there, and tells it. In a crowd the server names
 * us to ourselves as well, which is no news.
 *
 * @param {Conversation} room
 * @param {Frame} frame
 * @param {string} me
 */
export function takePresence(room, frame, me) {
  const [what = ""] = frame.args;
  const deed = DEEDS[what];
  if (deed === undefined) return; // a newer server's
  const user = header(frame, "user");
  const lines = user === undefined ? linesOf(frame) : [user];
  const names = lines.map(nameIn);
  if (what === "joined") add(room.people, lines);
  else for (const name of names) room.people.delete(name.toLowerCase());
  room.members = numberOf(frame, "members") ?? room.members;
  const others = names.filter((name) => name !== me);
  if (others.length === 0) return;
  const more = others.length > TOLD ? ` and ${others.length - TOLD} more` : "";
  room.note("event", `${others.slice(0, TOLD).join(", ")}${more} ${deed}`);
}

/** @type {Record<string, string>} */
const DEEDS = { joined: "came in", left: "left", offline: "went offline" };

/** @param {Map<string, string>} people @param {readonly string[]} lines */
function add(people, lines) {
  for (const name of lines.map(nameIn)) people.set(name.toLowerCase(), name);
}

/** Who stands at the beginning of a line. @param {string} line */
function nameIn(line) {
  return line.split(" ")[0] ?? "";
}
