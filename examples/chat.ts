/**
 * The users, their rooms, and the receivers of each message. No sockets, no
 * await: each request is done as a whole before the next one, so that nothing is
 * ever half changed, and all of it can be tested without a network.
 *
 * @module
 */
import * as parley from "../protocol.ts";
import { ChatError, DEFAULT_ROOM, encode, lookAlike } from "../protocol.ts";

const MAX_ROOMS = 100; // of one user

/** A connection, as far as the chat knows it. */
export interface Member {
  /** Empty until it has registered. */
  name: string;
  /** Its address, which WHO tells. */
  readonly remote: string;
  readonly rooms: Set<Room>;
  /** Sends what others caused; never waits. */
  deliver(frame: Uint8Array): void;
}

interface Room {
  readonly name: string;
  readonly members: Set<Member>;
}

/** See the top of the file. Errors are thrown, and are the answer. */
export class Chat {
  /** The id of the newest message. */
  lastId = 0;
  /** The server stops: all users go, and are not told of each other. */
  isClosing = false;
  readonly #users = new Names<Member>();
  readonly #rooms = new Names<Room>();
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
    const room = this.#room(DEFAULT_ROOM); // always exists
    this.#rooms.set(room.name, room);
  }

  register(member: Member, name: string): void {
    const headers = { Suggestion: this.#freeName(name) };
    if (!parley.isUserName(name)) {
      const rule = "a name is 1 to 32 letters and digits, and no reserved word";
      throw refusal(100, `use this name: ${rule}`, headers);
    }
    if (this.#users.get(name)) {
      const why = "this name (or a similar one) is in use";
      throw refusal(104, `use "${name}": ${why}`, headers);
    }
    member.name = name;
    this.#users.set(name, member);
    this.#log(`${name} registered from <${member.remote}>`);
  }

  join(member: Member, name: string): Uint8Array {
    const room = this.#room(name);
    if (!member.rooms.has(room)) {
      if (member.rooms.size >= MAX_ROOMS) {
        const headers = { Limit: MAX_ROOMS };
        throw refusal(109, `join: the limit is ${MAX_ROOMS} rooms`, headers);
      }
      this.#rooms.set(room.name, room);
      room.members.add(member);
      member.rooms.add(room);
      const { name, remote } = member;
      this.#log(`${name} joined room [${room.name.slice(1)}] from <${remote}>`);
      this.#tell(room, member, "joined", { From: remote });
    }
    const { size } = room.members;
    return encode("JOINED", [room.name], {
      Members: size,
      "Last-id": this.lastId,
    });
  }

  leave(member: Member, name: string): Uint8Array {
    const room = this.#room(name);
    if (!member.rooms.has(room)) throw notIn(room, "leave");
    this.#remove(room, member, "left");
    return encode("LEFT", [room.name]);
  }

  /** Takes a member out of everything, and tells its rooms why. */
  exit(member: Member, reason: string): void {
    for (const room of member.rooms) {
      this.#remove(room, member, "offline", { Reason: reason });
    }
    if (member.name) this.#users.set(member.name, undefined);
  }

  /** Sends a message to a room, a user, or ALL. */
  send(member: Member, word: string, body: Uint8Array): Uint8Array {
    const [to, receivers] = this.#target(member, word);
    if (!parley.isText(body)) throw refusal(107, "send what is not UTF-8");
    const stamp = { Id: ++this.lastId, Time: new Date().toISOString() };
    // Encoded once: all receivers are sent the same bytes.
    const headers = { To: to, ...stamp };
    const forward = encode("FORWARD", [member.name], headers, body);
    for (const receiver of receivers) receiver.deliver(forward);
    return encode("SENT", [to], { ...stamp, Recipients: receivers.length });
  }

  /** All rooms, the default room first. */
  list(): Uint8Array {
    const lines = Array.from(
      this.#rooms.all(),
      ({ name, members }) => `${name} ${members.size}\n`,
    );
    return encode("ROOMS", [], {}, lines.join(""));
  }

  who(word: string): Uint8Array {
    const { name, members } = word.toUpperCase() === "ALL"
      ? { name: "ALL", members: this.#users.all() }
      : this.#room(word);
    const lines = Array.from(
      members,
      ({ name, remote }) => `${name} ${remote} guest\n`,
    );
    return encode("WHO", [name], {}, lines.join(""));
  }

  /** There is no history here: always the empty one. */
  history(name: string): Uint8Array {
    return encode("HISTORY", [this.#room(name).name], { Count: 0 });
  }

  #target(member: Member, word: string): [to: string, receivers: Member[]] {
    const others = (all: Iterable<Member>) =>
      Array.from(all).filter((one) => one !== member);
    if (word.toUpperCase() === "ALL") return ["ALL", others(this.#users.all())];
    if (word.startsWith("#")) {
      const room = this.#room(word);
      if (!room.members.has(member)) throw notIn(room, "send to");
      return [room.name, others(room.members)];
    }
    const user = this.#users.get(word);
    if (user) return [user.name, [user]];
    const shown = word.replaceAll(/[^ -~]/g, "?");
    throw new ChatError(102, `no user "${shown}" is connected`);
  }

  /** The room of that name, or a new one, which is not listed yet. */
  #room(name: string): Room {
    if (parley.isRoomName(name)) {
      return this.#rooms.get(name) ?? { name, members: new Set() };
    }
    const rule = "its name is # and 1 to 32 letters, digits, _ and -";
    throw refusal(109, `use this room: ${rule}`);
  }

  #remove(room: Room, member: Member, how: string, headers = {}): void {
    room.members.delete(member);
    member.rooms.delete(room);
    this.#log(`${member.name} left room [${room.name.slice(1)}]`);
    this.#tell(room, member, how, headers);
    if (room.members.size > 0 || room.name === DEFAULT_ROOM) return;
    this.#rooms.set(room.name, undefined);
  }

  /** Tells the other members of a room who came or went. */
  #tell(room: Room, about: Member, how: string, headers: parley.Headers): void {
    if (this.isClosing) return;
    const { name, members } = room;
    const notice = encode("NOTICE", [how], {
      ...{ Room: name, User: about.name },
      ...headers,
      Members: members.size,
    });
    for (const member of members) {
      if (member !== about) member.deliver(notice);
    }
  }

  #freeName(name: string): string | undefined {
    const stem = name.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 28);
    for (let number = 2; stem !== ""; number++) {
      const free = `${stem}${number}`;
      if (parley.isUserName(free) && !this.#users.get(free)) return free;
    }
    return undefined;
  }
}

/** Names that differ only in case, or look alike (a1ice), are one name. */
class Names<T> {
  readonly #values = new Map<string, T>();

  get(name: string): T | undefined {
    const [lower, look] = [name.toLowerCase(), lookAlike(name)];
    return this.#values.get(lower) ?? this.#values.get(look);
  }

  set(name: string, value: T | undefined): void {
    for (const key of [name.toLowerCase(), lookAlike(name)]) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
  }

  /** In the order in which they were set. */
  all(): Set<T> {
    return new Set(this.#values.values());
  }
}

/** An error, with what cannot be done as its reason. */
export function refusal(
  code: parley.ErrorCode,
  what: string,
  headers: parley.Headers = {},
): ChatError {
  return new ChatError(code, `Cannot ${what}`, { headers });
}

function notIn({ name }: Room, deed: string): ChatError {
  return refusal(109, `${deed} ${name}: you are not in it`);
}
