/**
 * The users whose messages are hidden. The next start on the same server hides
 * them too. Names that look alike are one.
 *
 *     192.168.1.5:9898 bob      hidden
 *     192.168.1.5:9898 -bob     shown again
 *
 * @module
 */
import { lookAlike } from "../../protocol.ts";
import { SettingsFile } from "../trust/settings_file.ts";

/** See the top of the file. */
export class IgnoredUsers {
  readonly #file: SettingsFile;
  readonly #server: string;
  readonly #names = new Map<string, string>(); // by what they look like

  /** @param path Undefined to remember nothing. */
  constructor(path?: string, server = "") {
    this.#file = new SettingsFile(path);
    this.#server = server;
    for (const line of this.#file.read()) {
      const [where, word = ""] = line.split(/\s+/);
      const name = word.replace(/^-/, "");
      if (where === server) this.#set(name, name === word);
    }
  }

  /** As they were typed. */
  get names(): string[] {
    return [...this.#names.values()].sort();
  }

  /** Whether the messages of `user` are hidden. */
  has(user: string): boolean {
    return this.#names.has(lookAlike(user));
  }

  /** Why the file cannot be read, as a sentence; or nothing. */
  get fault(): string {
    return this.#file.fault;
  }

  /** Hides, or shows again. @returns Why the next start forgets it; or nothing. */
  change(user: string, hidden: boolean): string {
    this.#set(user, hidden);
    return this.#file.append(`${this.#server} ${hidden ? "" : "-"}${user}`);
  }

  #set(user: string, hidden: boolean): void {
    if (hidden) this.#names.set(lookAlike(user), user);
    else this.#names.delete(lookAlike(user));
  }
}
