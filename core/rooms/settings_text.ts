/**
 * The settings of a room in words, and the commands about them, for both clients. It
 * is loaded when there is something to say.
 *
 * @module
 */
import type { Headers } from "../../protocol.ts";
import type { CommandClient } from "../command_client.ts";
import { sanitize } from "../text/sanitize.ts";
import {
  maySend,
  type RoomSettings,
  type Self,
  type SettingsChange,
} from "./room_settings.ts";

/** Says who sends in a quiet room, and whether we do. */
export function quietText(settings: RoomSettings, me: Self): string {
  return maySend(settings, me)
    ? "This room is quiet. You can send."
    : "This room is quiet: its owner, moderators and users with voice send.";
}

/** What a user who joins is told of the settings, if there is anything to tell. */
export function settingsLines(settings: RoomSettings, me: Self): string[] {
  const { quiet, topic } = settings;
  return [
    ...topic === "" ? [] : [`Topic: ${sanitize(topic)}`],
    ...quiet ? [quietText(settings, me)] : [],
  ];
}

/** A change in sentences, which name the room. */
export function changeLines(
  { room, by, quiet, voice, unvoice, topic }: SettingsChange,
  me: string,
): string[] {
  const who = by === undefined ? "The server" : by === me ? "You" : by;
  const whom = (name: string) => name === me ? "you" : name;
  const whose = unvoice === me ? "your" : `${unvoice}'s`;
  const lines = [
    quiet === undefined
      ? ""
      : quiet
      ? `${who} made ${room} quiet: its owner, moderators and users with voice send`
      : `${who} ended the quiet in ${room}: all users in it can send`,
    voice === undefined ? "" : `${who} gave ${whom(voice)} voice in ${room}`,
    unvoice === undefined ? "" : `${who} took ${whose} voice in ${room}`,
    topic === undefined
      ? ""
      : topic === ""
      ? `${who} removed the topic of ${room}`
      : `${who} set the topic of ${room}: ${topic}`,
  ];
  return lines.filter((line) => line !== "").map((line) => sanitize(line));
}

/** Sets something of the room that messages go to. */
async function set(
  client: CommandClient,
  headers: Headers,
  topic?: string,
): Promise<void> {
  const { room, server } = client;
  if (room) await server.request("SET", [room], headers, topic);
  else client.answer([IN_NO_ROOM]);
}

const IN_NO_ROOM = "You are in no room";

/** The commands about settings. */
export const SETTING_COMMANDS = {
  topic(client: CommandClient, rest: string): Setting {
    if (rest === "none") return set(client, { "Content-length": 0 });
    if (rest !== "") return set(client, {}, rest);
    const { room, settings } = client;
    if (!settings) return client.answer([IN_NO_ROOM]);
    const topic = sanitize(settings.topic);
    client.answer([
      topic ? `Topic of ${room}: ${topic}` : `${room} has no topic`,
    ]);
  },
  quiet(client: CommandClient, rest: string): Setting {
    const word = rest.toLowerCase();
    if (word === "on") return set(client, { Quiet: "yes" });
    if (word === "off") return set(client, { Quiet: "no" });
    if (word !== "") return "usage";
    const { isModerator, me: name, room, settings } = client;
    if (!settings) return client.answer([IN_NO_ROOM]);
    const { quiet, voices } = settings;
    client.answer([
      quiet
        ? quietText(settings, { name, isModerator })
        : `${room} is not quiet: all users in it can send`,
      ...voices.length > 0 ? [`With voice: ${voices.join(", ")}`] : [],
    ]);
  },
  voice(client: CommandClient, rest: string): Setting {
    const [, name, off] = /^@?(\S+)( +off)?$/i.exec(rest) ?? [];
    if (name === undefined) return "usage";
    return set(client, off ? { Unvoice: name } : { Voice: name });
  },
};

/** What a command gives; see `RunCommand`. */
type Setting = Promise<void> | void | "usage";
