/**
 * The settings of a room: its owner, its topic, and who can send to it while it is
 * quiet. Plain values; server/accounts/room_settings.ts stores them.
 *
 * @module
 */
import { ChatError, type Headers } from "../../protocol.ts";

/** Limit of a topic in bytes, as UTF-8. */
export const MAX_TOPIC_BYTES = 1_000;

/** Limit of the users with voice in one room: JOINED names them in its head. */
export const MAX_VOICES = 50;

/** An account: its name may have had another before. */
export interface Owner {
  readonly name: string;
  readonly createdAt: number;
}

/** A user who can send to a room while it is quiet. */
export interface Voice {
  readonly name: string;
  /** When the account was created; null for a guest, whose name it is. */
  readonly createdAt: number | null;
}

/** The settings of one room. */
export interface RoomSettings {
  /** The name of the room, as it is shown. */
  readonly room: string;
  /** The account that created the room, perhaps deleted by now; null: a guest. */
  readonly owner: Owner | null;
  readonly quiet: boolean;
  readonly voices: readonly Voice[];
  /** One line of text; empty: none. */
  readonly topic: string;
}

/** A change of settings; what is left out stays as it is. */
export interface SettingsChange {
  readonly quiet?: boolean;
  /** This user gets voice. */
  readonly voice?: Voice;
  /** The user of this name loses it. */
  readonly unvoice?: string;
  readonly topic?: string;
}

/** The settings of a room of which nothing is known. */
export function noSettings(room: string): RoomSettings {
  return { room, owner: null, quiet: false, voices: [], topic: "" };
}

/** Whether nothing is set but perhaps an owner: a room that begins anew may lose it. */
export function isPlain({ quiet, voices, topic }: RoomSettings): boolean {
  return !quiet && voices.length === 0 && topic === "";
}

/**
 * The settings after a change.
 *
 * @throws {ChatError} 106 if too many users would have voice.
 */
export function changed(
  before: RoomSettings,
  { quiet = before.quiet, voice, unvoice, topic = before.topic }:
    SettingsChange,
): RoomSettings {
  const voices = before.voices.filter(({ name }) =>
    !isSameName(name, unvoice) && !isSameName(name, voice?.name)
  ).concat(voice ?? []);
  if (voice && voices.length > MAX_VOICES) throw tooManyVoices(before.room);
  return { ...before, quiet, voices, topic };
}

/** Whether both are one name, written with any case. */
export function isSameName(name: string, other: string | undefined): boolean {
  return name.toLowerCase() === other?.toLowerCase();
}

/** The headers by which JOINED tells settings; the topic is its body. */
export function settingsHeaders(
  { quiet, voices }: RoomSettings,
  owner: string | undefined,
): Headers {
  return {
    Owner: owner,
    Quiet: quiet ? "yes" : undefined,
    Voice: voices.map(({ name }) => name),
  };
}

/** Limit of a topic in a list, in characters. */
const LISTED_CHARACTERS = 100;

/** What a line of ROOMS tells behind the members: words, and behind a colon the topic. */
export function listed({ quiet, topic }: RoomSettings): string {
  const words = quiet ? " quiet" : "";
  if (topic === "") return words;
  const characters = Array.from(topic);
  const isLong = characters.length > LISTED_CHARACTERS;
  const shown = characters.slice(0, LISTED_CHARACTERS).join("");
  return `${words} : ${isLong ? `${shown.trimEnd()}…` : topic}`;
}

/** The headers by which NOTICE set tells a change; a topic is its body. */
export function changeHeaders(
  { quiet, voice, unvoice }: SettingsChange,
): Headers {
  return {
    Quiet: quiet === undefined ? undefined : quiet ? "yes" : "no",
    Voice: voice?.name,
    Unvoice: unvoice,
  };
}

/** The error for a user who cannot send to a quiet room. */
export function isQuiet(room: string): ChatError {
  const why = "it is quiet: its owner, moderators and users with voice send";
  return new ChatError(120, `Cannot send to ${room}: ${why}`);
}

function tooManyVoices(room: string): ChatError {
  const why = `${MAX_VOICES} users have voice, which is the limit`;
  return new ChatError(106, `Cannot give voice in ${room}: ${why}`, {
    headers: { Limit: MAX_VOICES },
  });
}
