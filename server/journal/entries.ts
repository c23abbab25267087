/**
 * Entries: every lasting effect, as plain data.
 *
 * An entry is made by the server that wants the effect, and says all that the
 * others cannot know: the time, random words, the networks of users. Then each
 * server applies the same entries in the same order; see log.ts. So what an entry
 * changes is the same everywhere, whenever and wherever it is applied.
 *
 * Entries are JSON, but for the bodies of messages. A time is in milliseconds since
 * the epoch; {@linkcode End} is one that may never come.
 *
 * @module
 */
import type { Draft } from "../chat/batch.ts";
import type { Owner, SettingsChange } from "../chat/room_settings.ts";
import type { RoomOwner } from "../chat/user.ts";

/** When something ends; null: until it is removed. JSON has no Infinity. */
export type End = number | null;

/** The kinds of entries, and what each says. */
export interface Entries {
  readonly "messages": MessagesEntry;
  readonly "keys-forgotten": KeysForgottenEntry;
  readonly "room-shared": RoomSharedEntry;
  readonly "history-forgotten": HistoryForgottenEntry;
  readonly "room-begun": RoomBegunEntry;
  readonly "room-set": RoomSetEntry;
  readonly "ban": BanEntry;
  readonly "unban": TargetData;
  readonly "mute": MuteEntry;
  readonly "sign-up": SignUpEntry;
  readonly "account-used": AccountEntry;
  readonly "account-seen": AccountSeenEntry;
  readonly "account-deleted": AccountEntry;
  readonly "account-password": PasswordEntry;
  readonly "account-code": CodeEntry;
  readonly "moderator": ModeratorEntry;
  readonly "nick": NickEntry;
  readonly "read": ReadEntry;
  readonly "private-room": PrivateRoomEntry;
  readonly "private-room-changed": PrivateRoomChangedEntry;
  readonly "wrong-password": WrongPasswordEntry;
  readonly "locks-ended": LocksEndedEntry;
  readonly "session": SessionEntry;
  readonly "session-changed": SessionChangedEntry;
  readonly "sessions-ended": SessionsEndedEntry;
}

/** Messages of one user, in their order. Ids are given when they are applied. */
export interface MessagesEntry {
  /** The sender's name. */
  readonly from: string;
  readonly at: number;
  /** Keys of messages from before this time are not known any more. */
  readonly keysSince: number;
  readonly drafts: readonly Draft[];
  /** The device of the account that sends them; a guest has none. */
  readonly device?: number | undefined;
  /** They are part of a flood: their sender sends more than a user who chats. */
  readonly flood?: true | undefined;
  /** The owners of rooms whose history begins with these messages. */
  readonly owners?: readonly OwnedRoom[] | undefined;
}

/** A room, and for whom it counts. */
export interface OwnedRoom extends RoomOwner {
  readonly room: string;
}

/** The keys of messages up to an id are not known any more. */
export interface KeysForgottenEntry {
  readonly upTo: number;
}

/** Users of other networks have joined the room. */
export interface RoomSharedEntry {
  readonly room: string;
}

/** All messages to a room or a user are forgotten, up to the newest there is then. */
export interface HistoryForgottenEntry {
  readonly target: string;
}

/** What entries about the settings of a room have. */
interface RoomEntry {
  readonly room: string;
  readonly at: number;
  /** Rooms whose settings end, to make room. */
  readonly gone?: readonly string[] | undefined;
}

/**
 * A room begins. It gets an owner, or none, if nothing else is set, and if it still
 * has the owner that its server saw.
 */
export interface RoomBegunEntry extends RoomEntry {
  readonly owner: Owner | null;
  readonly instead: Owner | null;
}

/** Settings of a room change, or end. */
export interface RoomSetEntry extends RoomEntry {
  readonly change?: SettingsChange;
  readonly ended?: true;
  /** The name of the user who does it. */
  readonly by?: string | undefined;
}

/** A name, or an address or a network, that the operator bans or mutes. */
export interface TargetData {
  readonly kind: "name" | "address";
  readonly value: string;
}

/** A ban, in the place of one of the same target, and of those that have ended. */
export interface BanEntry extends TargetData {
  readonly since: number;
  readonly until: End;
  readonly reason: string;
  readonly gone: readonly TargetData[];
}

/** A change of the mute of a target; what is left out stays as it is. */
export interface MuteEntry extends TargetData {
  readonly at: number;
  /** It is muted from now on, until a time; or not any more. */
  readonly muted?: { readonly until: End } | "no";
  /** Mutes that have ended, and make room. */
  readonly gone?: readonly TargetData[];
  /** The name came from this network. */
  readonly place?: string;
  /** Names that may send until another user takes them, as they look. */
  readonly present?: readonly string[];
  /** Names that may send all the same, as they look. */
  readonly allow?: readonly string[];
  /** Such a name has another user now, as it looks. */
  readonly newcomer?: string;
}

/** An account is made, unless the name has one, or a limit is reached. */
export interface SignUpEntry {
  readonly name: string;
  readonly at: number;
  /** Empty if its owner needs a code. */
  readonly verifier: string;
  /** The hash of that code, and until when it is good. */
  readonly code?: { readonly hash: string; readonly until: number };
  readonly since: number;
  readonly keyScope: string;
  readonly network: string;
  readonly limits: AccountLimits;
}

/** Limits of accounts; null: there is none. */
export interface AccountLimits {
  readonly total: number | null;
  readonly perAddress: number | null;
  readonly unusedPerAddress: number | null;
}

/** An account: its name may have had another before. */
export interface AccountEntry {
  readonly name: string;
  readonly createdAt: number;
}

/** A password, in the place of another, or of a code. All its sessions end. */
export interface PasswordEntry extends AccountEntry {
  readonly verifier: string;
  /** The verifier that it replaces; with another one, nothing changes. */
  readonly before?: string;
  /** The hash of the code that it replaces; the same holds for it. */
  readonly code?: string;
}

/** The account has no password any more: its owner needs a code. */
export interface CodeEntry extends AccountEntry {
  /** The hash of the code. */
  readonly code: string;
  /** Until when it is good. */
  readonly until: number;
}

/** The owner has certainly received everything up to an id. */
export interface AccountSeenEntry extends AccountEntry {
  readonly seen: number;
}

/** An account becomes that of a moderator, or of none; none if it is deleted. */
export interface ModeratorEntry extends AccountEntry {
  readonly isModerator: boolean;
}

/** A private room is made, unless its owner has no account any more, or a limit is reached. */
export interface PrivateRoomEntry {
  /** Its whole name, which no other room has had. */
  readonly room: string;
  readonly owner: AccountEntry;
  /** The network of the owner, for which it counts. */
  readonly network: string;
  /** The owner's requests with this key are one. */
  readonly key?: string | undefined;
  readonly limits: PrivateRoomLimits;
}

/** Limits of private rooms; null: there is none. */
export interface PrivateRoomLimits {
  readonly total: number | null;
  readonly perAddress: number | null;
  readonly perOwner: number | null;
}

/** What a member does in a private room, if the member may. */
export interface PrivateRoomChangedEntry {
  readonly room: string;
  readonly by: AccountEntry;
  readonly what: "invite" | "join" | "remove" | "pass on" | "close";
  /** The account that this is about; without one it is that of `by`. */
  readonly account?: AccountEntry | undefined;
}

/** Whose a display name is: of a name, the account, or the session of a guest. */
export interface NickOwner {
  /** The user's name in lower case. */
  readonly user: string;
  /** The account or the session: the name may have had another before. */
  readonly owner: string;
}

/** A user gets a display name, or has none any more. */
export interface NickEntry extends NickOwner {
  /** Undefined: none. `key`, `read` and `shape` are what it is compared by. */
  readonly nick?: {
    readonly nick: string;
    readonly key: string;
    readonly read: string;
    readonly shape: string;
  } | undefined;
  /** Those whose owners are gone, and that make room. */
  readonly gone: readonly NickOwner[];
}

/** A device of an account tells how far its owner has read a conversation. */
export interface ReadEntry extends AccountEntry {
  /** A room, a user, or `ALL`. */
  readonly target: string;
  /** The newest message that is read. */
  readonly id: number;
  readonly device?: number | undefined;
}

/** Of wrong passwords: the account in lower case, and a network or a session. */
export type Pair = readonly [account: string, address: string];

/** A wrong password for an account. */
export interface WrongPasswordEntry {
  readonly account: string;
  readonly address: string;
  readonly at: number;
  /** How long wrong passwords count; null: until the operator ends that. */
  readonly lockoutMs: number | null;
  /** Those that make room. */
  readonly gone: readonly Pair[];
}

/** Wrong passwords do not count any more. */
export interface LocksEndedEntry {
  /** All those of this account, whose owner is let in where a network is locked. */
  readonly account?: string;
  readonly gone: readonly Pair[];
}

/**
 * A session begins: that of one more device of an account, or in the place of an
 * earlier one of the name.
 */
export interface SessionEntry extends SessionState {
  /** The user's name. */
  readonly name: string;
  /** The newest message when it began. */
  readonly since: number;
  /** It is of an account, and other devices of it stay. */
  readonly isBeside?: true | undefined;
  /** The token of one of them that is connected: the new one is in its rooms. */
  readonly isIn?: string | undefined;
  /** The token of a session of the account that makes room, if there are too many. */
  readonly gone?: string | undefined;
  readonly at: number;
  /** The program of the client, as it says. */
  readonly client: string;
}

/** What of a session can change, and how it is found. */
export interface SessionState {
  /** The resume token. */
  readonly token: string;
  readonly network: string;
  /** Its token went over TLS alone. */
  readonly secure: boolean;
  /** The server whose client has it; empty if there is one server. */
  readonly server: string;
  /** Where its last client was, without the port. */
  readonly address: string;
}

/** A session goes on, in a way that must outlive its connection. */
export interface SessionChangedEntry extends SessionState {
  /** The name in lower case. */
  readonly key: string;
  /** Rooms that were joined by all devices of the name, and the newest message then. */
  readonly joined?: readonly (readonly [room: string, since: number])[];
  /** Rooms that it is not in any more. */
  readonly left?: readonly string[];
}

/** These sessions cannot be resumed any more. */
export interface SessionsEndedEntry {
  readonly sessions: readonly (readonly [key: string, token: string])[];
  /** Another device ended them: their connections end, too. */
  readonly byDevice?: true | undefined;
}
