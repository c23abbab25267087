/**
 * Parts of a server that are loaded when they are first used: accounts, bans, mutes,
 * moderators, private rooms, settings of rooms, how far conversations are read,
 * display names and two-socket users.
 *
 * @module
 */
import { Lazy } from "../core/lazy.ts";
import { encode } from "../protocol.ts";
import { roomExists } from "./chat/room_list.ts";
import { unlessNotStored } from "./chat/not_stored.ts";
import type { Database } from "./journal/database.ts";
import type { AccountEntry } from "./journal/entries.ts";
import type { Log } from "./journal/log.ts";
import { DEFAULT_LOCKOUT_MS } from "./limits/rates.ts";
import type { Clock } from "./net/clock.ts";
import type { Context } from "./session/session.ts";

/** See the top of the file. */
export type LazyParts = Pick<
  Context,
  | "accounts"
  | "bans"
  | "mutes"
  | "moderators"
  | "roomSettings"
  | "privateRooms"
  | "nicks"
  | "readMarks"
  | "twoSocketUsers"
>;

/** What the parts work with. The context can be made after them. */
export interface LazyPartsOptions {
  readonly database: () => Promise<Database>;
  /** Orders their entries; undefined: the database. */
  readonly entries: Log | undefined;
  readonly context: () => Pick<
    Context,
    | "alternates"
    | "hub"
    | "journal"
    | "resumables"
    | "roomSettings"
    | "sessions"
  >;
  readonly clock: Clock;
  readonly log: Context["log"];
  /** Whether an address has a share of the accounts. */
  readonly isLimited: boolean;
  /** Default {@linkcode DEFAULT_LOCKOUT_MS}. */
  readonly lockoutMs: number | undefined;
  /** The other servers, if there are others. */
  readonly cluster: Context["cluster"];
  /** Default: see two_socket/users.ts. */
  readonly acknowledgeWithinMs: number | undefined;
}

/** Loads nothing yet. */
export function lazyParts(options: LazyPartsOptions): LazyParts {
  const { database, context, isLimited, log } = options;
  const entriesOf = (file: Database) => options.entries ?? file;
  const accounts = new Lazy(async () => {
    const { Accounts } = await import("./accounts/accounts.ts");
    const { expelOwner, passwordGone } = await import(
      "./session/expel.ts"
    );
    const { lockoutMs = DEFAULT_LOCKOUT_MS } = options;
    const limits = { maxUnusedPerAddress: Infinity, maxPerAddress: Infinity };
    const file = await database();
    const expel = (account: AccountEntry, why: string) =>
      void expelOwner(context(), account, { why }).storing
        .catch(unlessNotStored);
    return new Accounts(file, lockoutMs, {
      ...isLimited ? {} : limits,
      entries: entriesOf(file),
      deleted: (account) =>
        expel(account, `the account "${account.name}" was deleted`),
      changed: (account, needsCode) =>
        expel(account, passwordGone(account.name, needsCode)),
      gone: (account, own) => privateRooms.loaded?.accountDeleted(account, own),
    });
  });
  const privateRooms = new Lazy(async () => {
    const { PRIVATE_ROOM_LIMITS, PrivateRooms } = await import(
      "./accounts/private_rooms.ts"
    );
    const { tellMembers } = await import("./accounts/membership.ts");
    const file = await database();
    return new PrivateRooms(file, {
      entries: entriesOf(file),
      limits: { ...PRIVATE_ROOM_LIMITS, ...isLimited ? {} : NO_SHARES },
      happened: (event) =>
        tellMembers({ ...context(), accounts, privateRooms }, event),
    });
  });
  const moderators = new Lazy(async () => {
    const { Moderators } = await import("./accounts/moderators.ts");
    const file = await database();
    return new Moderators(file, {
      entries: entriesOf(file),
      accountOf: (name) => accounts.loaded?.named(name),
      changed: ({ name }, isModerator) => {
        const Role = isModerator ? "moderator" : "user";
        const notice = encode("NOTICE", ["set"], { User: name, Role });
        for (const { peer } of context().hub.users()) peer.notify(notice);
      },
    });
  });
  return {
    accounts,
    privateRooms,
    bans: new Lazy(async () => {
      const { Bans } = await import("./accounts/bans.ts");
      const { expelBanned } = await import("./session/expel.ts");
      const file = await database();
      return new Bans(file, Date.now, {
        entries: entriesOf(file),
        enforce: (bans, target) =>
          void expelBanned(context(), bans, target).storing
            .catch(unlessNotStored),
      });
    }),
    mutes: new Lazy(async () => {
      const { Mutes } = await import("./accounts/mutes.ts");
      const file = await database();
      return new Mutes(file, {
        entries: entriesOf(file),
        *users() {
          const { hub } = context();
          for (const { name, peer: { remote } } of hub.users()) {
            yield { name, remote };
          }
          for (const user of hub.elsewhere?.members("ALL") ?? []) {
            yield { name: user.name, remote: user.peer.remote };
          }
        },
        changed: () => {
          const { hub } = context();
          hub.muting.mark(hub.users());
        },
        accountSince: (name) => accounts.loaded?.named(name)?.createdAt,
        log,
      });
    }),
    moderators,
    readMarks: new Lazy(async () => {
      await accounts.load(); // whose table it needs
      const { ReadMarks } = await import("./session/devices/read_marks.ts");
      const { devicesOf } = await import("./chat/devices/devices.ts");
      const file = await database();
      return new ReadMarks(file, {
        entries: entriesOf(file),
        changed: ({ name, target, id, device }) => {
          const user = context().hub.userNamed(name);
          if (user?.name.toLowerCase() !== name.toLowerCase()) return;
          const notice = encode("NOTICE", ["read"], { To: target, Id: id });
          for (const other of devicesOf(user)) {
            if (other.device !== device) other.notify(notice);
          }
        },
      });
    }),
    roomSettings: new Lazy(async () => {
      const { AllRoomSettings } = await import("./accounts/room_settings.ts");
      const { tellSettings } = await import("./session/room_settings.ts");
      const file = await database();
      return new AllRoomSettings(file, {
        entries: entriesOf(file),
        accountOf: (name) => accounts.loaded?.named(name),
        isModerator: (name) => moderators.loaded?.isModerator(name) ?? false,
        isPrivateOwner: (room, account) =>
          privateRooms.loaded?.isOwner(room, account) ?? false,
        exists: (room) =>
          privateRooms.loaded?.has(room) ||
          roomExists(context().hub, context().journal, room),
        changed: (...what) => tellSettings(context(), ...what),
      });
    }),
    nicks: new Lazy(async () => {
      const { Nicks, ownersOf } = await import("./accounts/names/nicks.ts");
      const { tellNick } = await import("./session/later/nick.ts");
      const file = await database();
      const { hub, resumables } = context();
      const nicks = new Nicks(file, {
        entries: entriesOf(file),
        owners(name) {
          const account = accounts.loaded?.named(name);
          const isOwn = account?.name.toLowerCase() === name.toLowerCase();
          return ownersOf(isOwn ? account : undefined, resumables.newest(name));
        },
        isConnected: (name) =>
          (hub.userNamed(name) ?? hub.elsewhere?.named(name)) !== undefined,
        resembled: (text) => hub.names.resembled(text),
        changed: (user, nick) => tellNick(hub, user, nick),
      });
      hub.presence.nickOf = (name) => nicks.of(name);
      hub.names.displayed = (name) => nicks.displayed(name);
      return nicks;
    }),
    twoSocketUsers: new Lazy(async () => {
      const { TwoSocketUsers } = await import("./session/two_socket/users.ts");
      const { acknowledgeWithinMs, clock: { after, now } } = options;
      const { hub, journal } = context();
      const { cluster } = options;
      return new TwoSocketUsers({
        ...{ hub, journal, acknowledgeWithinMs, after, now },
        claim: cluster &&
          ((name, lost) => cluster.claim(name, { takesOver: false, lost })),
      });
    }),
  };
}

/** Limits of private rooms where an address has no share. */
const NO_SHARES = { perAddress: Infinity, perOwner: Infinity };
