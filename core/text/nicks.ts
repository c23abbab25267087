/**
 * The display names of users: those who are in a room with us, and our own.
 *
 * A display name is never shown without the name. Who has left has none: the
 * name alone is certain, as another user may have got it.
 *
 * @module
 */
import { type Frame, header, lookAlike } from "../../protocol.ts";
import { type NickChange, type Presence, rowsOf, textOf } from "../frames.ts";
import type { Requester } from "../net/connection.ts";
import { sanitizePerson } from "./sanitize.ts";
import { nickHint } from "./sentences.ts";
import type { TypedLine } from "./typed_line.ts";

/** See the top of the file. */
export class Nicks {
  /** By room, and by name in lower case. */
  readonly #rooms = new Map<
    string,
    Map<string, [name: string, nick: string]>
  >();
  #name = "";
  #me = ""; // in lower case
  #own: string | undefined;
  #told = "";

  /** The display name of a user; undefined if there is none that is known. */
  of(name: string): string | undefined {
    const key = name.toLowerCase();
    if (key === this.#me) return this.#own;
    for (const nicks of this.#rooms.values()) {
      const known = nicks.get(key);
      if (known) return known[1];
    }
    return undefined;
  }

  /** Our own. */
  get own(): string | undefined {
    return this.#own;
  }

  /** How we are shown. */
  get ownLabel(): string {
    return sanitizePerson(this.#name, this.#own);
  }

  /** A user as it is shown, sanitized: the display name, and the name. */
  labelOf(name: string): string {
    return sanitizePerson(name, this.of(name));
  }

  /** The users whose display names begin so, whatever the case. */
  named(start: string): string[] {
    const wanted = start.normalize("NFKC").toLowerCase();
    return [...this.#all()].filter(([, nick]) =>
      nick.toLowerCase().startsWith(wanted)
    ).map(([name]) => name);
  }

  /** The user whose display name stands at the beginning of a text, as a word. */
  addressed(text: string): string | undefined {
    const words = text.normalize("NFKC").toLowerCase();
    const isMeant = (nick: string) =>
      words.startsWith(nick.toLowerCase()) &&
      /^(?:$|[\s:])/.test(words.slice(nick.toLowerCase().length));
    return [...this.#all()].filter(([, nick]) => isMeant(nick))
      .sort(([, one], [, other]) => other.length - one.length)[0]?.[0];
  }

  /** The hint for a line that is sent to a display name; undefined for another line. */
  personIn(typed: TypedLine, line: string): string | undefined {
    if (typed.kind !== "private" && typed.kind !== "invalid") return undefined;
    const [, text] = /^\s*[@\uff20\ufe6b]([^]*)$/.exec(line) ?? [];
    const name = text === undefined ? undefined : this.addressed(text);
    return name === undefined ? undefined : nickHint(this.labelOf(name), name);
  }

  /** Names and display names of all others. */
  *#all(): Generator<[name: string, nick: string]> {
    for (const nicks of this.#rooms.values()) {
      for (const [key, [name, nick]] of nicks) {
        if (key !== this.#me) yield [name, nick];
      }
    }
  }

  /** We are registered as `me`, on a connection that is in no room yet. */
  registered(me: string, nick: string | undefined): void {
    this.#name = me;
    this.#me = me.toLowerCase();
    this.#own = nick;
  }

  /**
   * Asks the server for a display name; an empty one is none.
   *
   * @throws {ChatError} If the server refuses.
   */
  async take(server: Requester, wanted: string): Promise<void> {
    const nick = textOf(await server.request("NICK", [], {}, wanted));
    this.#own = nick === "" ? undefined : nick;
  }

  /** We are in a room; a NOTICE follows if members have display names. */
  joined(room: string): void {
    this.#rooms.set(lookAlike(room), new Map());
  }

  /** We have left a room. */
  left(room: string): void {
    this.#rooms.delete(lookAlike(room));
  }

  /** Users join or leave; `tell` runs while those who do are still known. */
  during(presence: Presence, tell: () => void): void {
    const nicks = this.#rooms.get(lookAlike(presence.room));
    const isJoin = presence.kind === "joined";
    const set = () => {
      for (const user of nicks ? presence.users : []) {
        const nick = presence.nicks.get(user);
        if (nick === undefined) nicks!.delete(user.toLowerCase());
        else nicks!.set(user.toLowerCase(), [user, nick]);
      }
    };
    if (isJoin) set();
    tell();
    if (!isJoin) set();
  }

  /** A NOTICE of a room in which users have other display names; returns what is new. */
  changed(notice: Frame): NickChange[] {
    const nicks = this.#rooms.get(lookAlike(header(notice, "room") ?? ""));
    const isList = header(notice, "count") !== undefined; // of those who were here
    return rowsOf(notice).flatMap(([name, text]) => {
      const before = this.of(name);
      const nick = text === "" ? undefined : text;
      const key = name.toLowerCase();
      if (key === this.#me) this.#own = nick;
      if (nick === undefined) nicks?.delete(key);
      else nicks?.set(key, [name, nick]);
      const told = `${key} ${text}`;
      const isNew = !isList && before !== nick && told !== this.#told;
      this.#told = told; // the other rooms tell the same
      return isNew ? [{ name, nick, before }] : [];
    });
  }
}
