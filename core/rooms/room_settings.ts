/**
 * The settings of a room, as a client knows them: its owner, whether it is quiet,
 * who has voice, and its topic. Its sentences are in settings_text.ts.
 *
 * @module
 */
import { type Frame, header, lookAlike } from "../../protocol.ts";
import { textOf } from "../frames.ts";

/** What is set of a room. */
export interface RoomSettings {
  /** The name of the account that owns it; undefined if none does. */
  readonly owner: string | undefined;
  /** Whether only the owner, moderators and users with voice send. */
  readonly quiet: boolean;
  /** The names of the users with voice. */
  readonly voices: readonly string[];
  /** As it was set: sanitize it before it is shown. Empty if there is none. */
  readonly topic: string;
}

/** The settings of a room of which nothing is known. */
export const NO_SETTINGS: RoomSettings = {
  owner: undefined,
  quiet: false,
  voices: [],
  topic: "",
};

/** What a NOTICE tells of the settings of a room; what is left out is as it was. */
export interface SettingsChange extends Partial<RoomSettings> {
  /** The room, with `#`. */
  readonly room: string;
  /** Who did it; undefined if no user did. */
  readonly by: string | undefined;
  /** This user has voice now. */
  readonly voice: string | undefined;
  /** This user has it no more. */
  readonly unvoice: string | undefined;
}

/** What the answer to a JOIN tells of the room. */
export function settingsOf(joined: Frame): RoomSettings {
  return {
    owner: header(joined, "owner"),
    quiet: header(joined, "quiet") === "yes",
    voices: joined.headers.filter(([name]) => name === "voice")
      .map(([, value]) => value),
    topic: textOf(joined),
  };
}

/** What `NOTICE set` tells of a room; undefined if it is about something else. */
export function settingsChangeOf(notice: Frame): SettingsChange | undefined {
  const room = header(notice, "room");
  if (room === undefined) return undefined;
  const quiet = header(notice, "quiet");
  const hasTopic = header(notice, "content-length") !== undefined;
  return {
    room,
    by: header(notice, "by"),
    voice: header(notice, "voice"),
    unvoice: header(notice, "unvoice"),
    ...quiet !== undefined && { quiet: quiet === "yes" },
    ...hasTopic && { topic: textOf(notice) },
  };
}

/** The settings after a change. */
export function settingsAfter(
  { owner, quiet, voices, topic }: RoomSettings,
  change: SettingsChange,
): RoomSettings {
  const { voice, unvoice } = change;
  const kept = voices.filter((name) => name !== voice && name !== unvoice);
  return {
    owner,
    quiet: change.quiet ?? quiet,
    voices: voice === undefined ? kept : [...kept, voice],
    topic: change.topic ?? topic,
  };
}

/** Who we are, for what we may do in a room. */
export interface Self {
  /** Our name. */
  readonly name: string;
  /** Whether we are a moderator. */
  readonly isModerator: boolean;
}

/** Whether we may set a room: its owner and moderators do. */
export function maySet({ owner }: RoomSettings, me: Self): boolean {
  return me.isModerator || owner === me.name;
}

/** Whether we may send to a room. */
export function maySend(settings: RoomSettings, me: Self): boolean {
  return !settings.quiet || maySet(settings, me) ||
    settings.voices.some((name) => lookAlike(name) === lookAlike(me.name));
}
