/**
 * What the class knows of itself: users, rooms with their members, messages, and
 * which of it each user may be shown. Time is a count of what happened: all clients
 * are in one process, so that of two events it is known which was first.
 *
 * @module
 */

/** A message that was sent, and what became of it. */
export interface Message {
  /** Its number: the word {@linkcode wordOf} stands in no other text. */
  readonly number: number;
  readonly from: string;
  /** A room, a user, or `ALL`. */
  readonly to: string;
  /** When the request was made. */
  readonly begun: number;
  /** When it was answered; Infinity before. */
  ended: number;
  /** Once it was answered SENT. */
  id: number | undefined;
  /** The code of the error that refused it. */
  refused: number | undefined;
}

/** From when on something surely held, and up to when. */
export interface Span {
  readonly from: number;
  to: number;
  /**
   * Of one that has ended: the newest message that the client surely had. One that
   * was away then gets nothing more of a room that it is not in any more.
   */
  upTo?: number;
}

/** A room. */
export interface Room {
  readonly name: string;
  readonly isPrivate: boolean;
  owner: string | undefined;
  /** Users who may know of it; of a public room nobody is asked. */
  readonly members: Set<string>;
  /** Those who ever were. */
  readonly past: Set<string>;
  /** Who is taken out just now. */
  readonly leaving: Set<string>;
  /** Clients of users who were taken out, until they certainly know it. */
  readonly late: Set<object>;
  isClosed: boolean;
  /** Who may send, beside its owner and moderators; undefined while that changes. */
  speakers: "all" | readonly string[] | undefined;
}

/** What stands in the text of a message, and in no other text. */
export function wordOf(number: number): string {
  return `m${number}z`;
}

const WORD = /\bm(\d+)z\b/g;

/** The numbers of the messages of which `text` has the words. */
export function numbersIn(text: string): number[] {
  return Array.from(text.matchAll(WORD), ([, digits]) => Number(digits));
}

/** One thing after the other. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `task` once all before it have ended. */
  take<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => {}); // its caller is told
    return turn;
  }
}

/** See the top of the file. */
export class Model {
  readonly messages = new Map<number, Message>();
  readonly rooms = new Map<string, Room>();
  /** What went wrong. */
  readonly faults: string[] = [];
  readonly #turns = new Map<string, Turns>();
  #now = 0;

  /** The time: later each time. */
  now(): number {
    return ++this.#now;
  }

  /** What must not be. A hundred are enough to see what it is. */
  fault(text: string): void {
    if (this.faults.length < 100) this.faults.push(text);
  }

  /** A message that is about to be sent. */
  begin(from: string, to: string): Message {
    const message: Message = {
      ...{ number: this.messages.size + 1, from, to, begun: this.now() },
      ...{ ended: Infinity, id: undefined, refused: undefined },
    };
    this.messages.set(message.number, message);
    return message;
  }

  /** Adds a room. */
  open(name: string, owner?: string): Room {
    const room: Room = {
      ...{ name, owner, isPrivate: name.includes("."), isClosed: false },
      speakers: "all",
      ...{ members: new Set<string>(), late: new Set<object>() },
      ...{ past: new Set<string>(), leaving: new Set<string>() },
    };
    if (owner !== undefined) room.members.add(owner), room.past.add(owner);
    this.rooms.set(name, room);
    return room;
  }

  /** What changes one room or one user is done one after the other. */
  turns(key: string): Turns {
    const known = this.#turns.get(key) ?? new Turns();
    this.#turns.set(key, known);
    return known;
  }

  /** Whether `client` of `user` may be shown that there is such a room. */
  mayKnow(room: Room, user: string, client: object): boolean {
    return !room.isPrivate || room.members.has(user) ||
      room.leaving.has(user) || room.late.has(client);
  }

  /** Whether `client` of `user` may be shown a message. */
  mayRead({ from, to }: Message, user: string, client: object): boolean {
    if (to === "ALL" || from === user || to === user) return true;
    const room = this.rooms.get(to);
    return room !== undefined && this.mayKnow(room, user, client);
  }

  /** What `text`, sent to `client` of `user`, shows and must not show. */
  leaks(text: string, user: string, client: object): string[] {
    const leaks: string[] = [];
    for (const number of numbersIn(text)) {
      const message = this.messages.get(number);
      if (!message || this.mayRead(message, user, client)) continue;
      leaks.push(`message ${number} of ${message.from} to ${message.to}`);
    }
    const small = text.toLowerCase();
    for (const room of this.rooms.values()) {
      if (!room.isPrivate || this.mayKnow(room, user, client)) continue;
      const [, mark = ""] = room.name.split(".");
      if (small.includes(`.${mark}`)) leaks.push(`the room ${room.name}`);
    }
    return leaks;
  }
}
