/**
 * Muted users are marked, so that a SEND of any other user needs no search.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import type { MuteRules, User } from "./user.ts";

/** See the top of the file. */
export class Muting {
  readonly #rules: MuteRules | undefined;

  /** Without rules no user is muted. */
  constructor(rules?: MuteRules) {
    this.#rules = rules;
  }

  /** See {@linkcode MuteRules.newcomer}. Call it before that user enters. */
  newcomer(name: string): void {
    this.#rules?.newcomer(name);
  }

  /** Why a user who enters cannot send; undefined if the user can. */
  entered(name: string, remote: string): string | undefined {
    return this.#rules?.entered(name, remote);
  }

  /** Whether the user is muted now: a mute can end by itself. */
  isMuted(user: User): boolean {
    if (user.muted !== undefined) this.mark([user]);
    return user.muted !== undefined;
  }

  /** @throws {ChatError} 120 if the user is muted now. */
  check(user: User, deed: string): void {
    if (!this.isMuted(user)) return;
    throw new ChatError(120, `Cannot ${deed}: ${user.muted}`);
  }

  /** Marks users after the mutes have changed: a mute is for all devices. */
  mark(users: Iterable<User>): void {
    for (const user of users) {
      user.muted = undefined;
      for (const { remote } of user.peer.devices ?? [user.peer]) {
        user.muted ??= this.#rules?.reason(user.name, remote);
      }
    }
  }
}
