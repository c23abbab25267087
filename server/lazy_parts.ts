/**
 * Parts of a server that are loaded when they are first used: accounts, bans, mutes
 * and two-socket users.
 *
 * @module
 */
import { Lazy } from "../core/lazy.ts";
import type { Hub } from "./chat/hub.ts";
import type { Database } from "./journal/database.ts";
import type { Journal } from "./journal/journal.ts";
import { DEFAULT_LOCKOUT_MS } from "./limits/rates.ts";
import type { Clock } from "./net/clock.ts";
import type { Context } from "./session/session.ts";

/** See the top of the file. */
export type LazyParts = Pick<
  Context,
  "accounts" | "bans" | "mutes" | "twoSocketUsers"
>;

/** What the parts work with. The hub and the journal can be made after them. */
export interface LazyPartsOptions {
  readonly database: () => Promise<Database>;
  readonly hub: () => Hub;
  readonly journal: () => Journal;
  readonly clock: Clock;
  readonly log: Context["log"];
  /** Whether an address has a share of the accounts. */
  readonly isLimited: boolean;
  /** Default {@linkcode DEFAULT_LOCKOUT_MS}. */
  readonly lockoutMs: number | undefined;
  /** The other servers, if there are others. */
  readonly cluster: Context["cluster"];
  /** Default: see two_socket.ts. */
  readonly acknowledgeWithinMs: number | undefined;
}

/** Loads nothing yet. */
export function lazyParts(options: LazyPartsOptions): LazyParts {
  const { database, isLimited, log } = options;
  const accounts = new Lazy(async () => {
    const { Accounts } = await import("./accounts/accounts.ts");
    const { lockoutMs = DEFAULT_LOCKOUT_MS } = options;
    const limits = { maxUnusedPerAddress: Infinity, maxPerAddress: Infinity };
    return new Accounts(await database(), lockoutMs, isLimited ? {} : limits);
  });
  return {
    accounts,
    bans: new Lazy(async () => {
      const { Bans } = await import("./accounts/bans.ts");
      return new Bans(await database());
    }),
    mutes: new Lazy(async () => {
      const { Mutes } = await import("./accounts/mutes.ts");
      return new Mutes(await database(), {
        users: () =>
          options.hub().users()
            .map(({ name, peer }) => ({ name, remote: peer.remote })),
        accountSince: (name) => accounts.loaded?.named(name)?.createdAt,
        log,
      });
    }),
    twoSocketUsers: new Lazy(async () => {
      const { TwoSocketUsers } = await import("./session/two_socket.ts");
      const { acknowledgeWithinMs, clock: { after, now } } = options;
      const [hub, journal] = [options.hub(), options.journal()];
      const { cluster } = options;
      return new TwoSocketUsers({
        ...{ hub, journal, acknowledgeWithinMs, after, now },
        claim: cluster &&
          ((name, lost) => cluster.claim(name, { takesOver: false, lost })),
      });
    }),
  };
}
