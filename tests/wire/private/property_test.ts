/**
 * Nothing that the server sends shows a private room, or a message of one, to a user
 * who is no member, nor a private message to a third user: whatever several users do,
 * in whatever order, some with two devices.
 *
 * A model knows the members. After each step all that every user got is looked
 * through for the names of rooms, and for words that stand in one message each. A
 * request of a user who is no member is sent twice: for the room, and for one that
 * is not there. Both must be answered alike.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { logIn, request, signedUp } from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";
import { NO_RATES } from "../../../server/limits/rates.ts";
import { tempFolder } from "../../tools/temp.ts";
import {
  ACCOUNTS,
  FIRST,
  LAST,
  type Step,
  steps,
  USERS,
} from "./property_steps.ts";

/** Repeats a run: `SEED=1 deno test …`; it is told when a run fails. */
const SEED = Number(Deno.env.get("SEED") ?? Date.now() % 2 ** 31);

const RUNS = Number(Deno.env.get("RUNS") ?? 8);

/** A private room, as it must be. */
interface Room {
  readonly name: string;
  owner: string;
  /** The longest first; of those, who has joined. */
  readonly members: Map<string, boolean>;
  /** One in each message, and one in each topic. */
  readonly words: string[];
  readonly topics: string[];
}

interface User {
  readonly client: RawClient;
}

/** A private message: the word in it, and whose it is. */
interface Whisper {
  readonly word: string;
  readonly users: Set<string>;
}

const NO_SESSION = { token: "", journal: "" };

/** The server, its users, and what they may know. */
class World implements AsyncDisposable {
  server: TestServer;
  readonly #folder = tempFolder();
  readonly #users = new Map<string, User>(); // by name; with + the second device
  readonly #whispers: Whisper[] = [];
  readonly #reads = new Set<string>(); // a user, and a room that the user named
  readonly #sessions = new Map<string, typeof NO_SESSION>();
  readonly rooms: Room[] = [];
  readonly #closed: Room[] = [];
  #words = 0;

  constructor() {
    this.server = this.#start();
  }

  static async open(): Promise<World> {
    const world = new World();
    for (const name of ACCOUNTS) await world.#signUp(name);
    await world.server.console.run("op mia");
    await world.#enter("gina");
    await world.drain();
    return world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.#users.values()) client.close();
    await this.server[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }

  /** Does a step, and looks through all that is sent meanwhile. */
  async do(
    { what, user: any, other: some, room: number, as }: Step,
  ): Promise<void> {
    const before = this.#known();
    const room = this.rooms[number % Math.max(1, this.rooms.length)];
    const members = [...room?.members.keys() ?? []];
    const user = as === "member"
      ? members[USERS.indexOf(some) % members.length] ?? any
      : as === "owner"
      ? room?.owner ?? any
      : any;
    const isOfMembers = what === "remove" && as === "owner";
    const other = isOfMembers ? members.at(-1) ?? some : some;
    const isAway = !this.#users.has(user);
    if (isAway && what !== "return" && what !== "restart") return;
    switch (what) {
      case "go":
        if (user !== "gina" && user !== "mia") await this.#go(user);
        break;
      case "make":
        await this.#make(user, before);
        break;
      case "second":
        if (user !== "gina") await this.#second(user);
        break;
      case "whisper":
        await this.#whisper(user, other);
        break;
      case "talk":
        await this.#talk(user, other);
        break;
      case "devices":
        await this.#send(user, "DEVICES\n\n");
        break;
      case "nick":
        await this.#send(user, request("NICK", `Nick ${++this.#words}`));
        break;
      case "list":
        await this.#send(
          user,
          `ROOMS\n\nWHO ALL\n\nWHO #group\n\nHISTORY #group\n\n`,
        );
        break;
      case "return":
        await this.#return(user);
        break;
      case "restart":
        await this.#restart();
        break;
      case "delete":
        if (user !== "gina" && user !== "mia") await this.#delete(user);
        break;
      case "moderate":
        await this.#moderate(room, other);
        break;
      default:
        if (room) await this.#inRoom(what, user, other, room);
    }
    const after = this.#known();
    for (const [key, frames] of await this.drain()) {
      const name = key.replace("+", "");
      const may = new Set([...before.get(name)!, ...after.get(name)!]);
      for (const frame of frames) this.#check(name, frame, may);
    }
  }

  /** What each user has got since the last time. */
  async drain(): Promise<Map<string, string[]>> {
    const all = new Map<string, string[]>();
    for (const [name, { client }] of this.#users) {
      await client.send("PING\n\n");
      const frames: string[] = this.#pending.get(name) ?? [];
      for (;;) {
        const frame = await client.frame();
        if (frame === "PONG\n\n") break;
        frames.push(frame);
      }
      all.set(name, frames);
    }
    this.#pending.clear();
    return all;
  }

  readonly #pending = new Map<string, string[]>();

  #start(): TestServer {
    const db = `${this.#folder.path}/chat.db`;
    return startTestServer({ db, rates: NO_RATES });
  }

  /** The rooms that each user may know of now. */
  #known(): Map<string, Set<Room>> {
    return new Map(USERS.map((name) => [
      name,
      new Set(this.rooms.filter(({ members }) => members.has(name))),
    ]));
  }

  #check(user: string, frame: string, may: ReadonlySet<Room>): void {
    for (const { word, users } of this.#whispers) {
      const shows = frame.includes(word) && !users.has(user);
      assert(!shows, `${user} is shown a private message:\n${frame}`);
    }
    const isRead = /^(READ |NOTICE read\n)/.test(frame);
    for (const room of [...this.rooms, ...this.#closed]) {
      if (may.has(room)) continue;
      // What a user was refused repeats what the user has written: see #twice(). How
      // far a user has read is told to that user alone.
      const isOwn = frame.startsWith("ERROR ") ||
        isRead && this.#reads.has(`${user} ${room.name}`);
      const shows = !isOwn && frame.includes(room.name.split(".")[1]!) ||
        [...room.words, ...room.topics].some((word) => frame.includes(word));
      assert(!shows, `${user} is shown ${room.name}:\n${frame}`);
    }
  }

  async #make(user: string, before: Map<string, Set<Room>>): Promise<void> {
    if (user === "gina" || this.rooms.length >= 6) return;
    const { client } = this.#users.get(user)!;
    await client.send("JOIN #group\nPrivate: yes\n\n");
    const name = /^JOINED (\S+)/.exec(await client.next("JOINED"))![1]!;
    const room = {
      name,
      owner: user,
      members: new Map([[user, true]]),
      words: [],
      topics: [],
    };
    this.rooms.push(room);
    before.get(user)!.add(room);
  }

  /** Asks for something; its answer is looked through with all else. */
  async #send(user: string, text: string): Promise<string[]> {
    const { client } = this.#users.get(user)!;
    await client.send(`${text}PING\n\n`);
    const frames: string[] = [];
    for (;;) {
      const frame = await client.frame();
      if (frame === "PONG\n\n") break;
      frames.push(frame);
    }
    this.#pending.set(user, [...this.#pending.get(user) ?? [], ...frames]);
    return frames;
  }

  /** Asks as a user who is no member: for the room, and for one that is not there. */
  async #twice(user: string, text: string, room: string): Promise<void> {
    const answers: string[] = [];
    for (const name of [room, "#group.zzzz"]) {
      const frames = await this.#send(user, text.replaceAll(room, name));
      const own = frames.filter((frame) => !/^(NOTICE|FORWARD)/.test(frame));
      answers.push(own.join("").replaceAll(name, "#ROOM"));
    }
    // Users note how far they have read what they name, whether it is there or not.
    const noted = user === "gina" ? /^ERROR 122 / : /^READ /;
    assertMatch(answers[0]!, text.startsWith("READ ") ? noted : /^ERROR 109 /);
    assertEquals(answers[0], answers[1]);
  }

  async #inRoom(what: string, user: string, other: string, room: Room) {
    const { name, members } = room;
    const word = `word${++this.#words}x`;
    const text = {
      "invite": `INVITE ${other}\nRoom: ${name}\n\n`,
      "join": `JOIN ${name}\n\n`,
      "send": request(`SEND ${name}`, word),
      "topic": request(`SET ${name}`, word),
      "leave": `LEAVE ${name}\n\n`,
      "remove": `SET ${name}\nRemove: ${other}\n\n`,
      "pass on": `SET ${name}\nOwner: ${other}\n\n`,
      "close": `SET ${name}\nClosed: yes\n\n`,
      "history": `HISTORY ${name}\nLimit: 1000\n\n`,
      "who": `WHO ${name}\n\n`,
      "read": `READ ${name}\nId: ${this.server.context.journal.lastId}\n\n`,
    }[what]!;
    if (what === "read") this.#reads.add(`${user} ${name}`);
    if (!members.has(user)) return await this.#twice(user, text, name);
    const frames = await this.#send(user, text);
    const refused = frames.some((frame) => frame.startsWith("ERROR "));
    const isOwner = room.owner === user;
    const isMember = members.has(other);
    switch (what) {
      case "invite":
        assertEquals(refused, other === "gina");
        if (!refused && !isMember) members.set(other, false);
        break;
      case "join":
        assertEquals(refused, false);
        members.set(user, true);
        break;
      case "send":
        if (!refused) room.words.push(word);
        break;
      case "topic":
        if (!isOwner && user !== "mia") assertEquals(refused, true);
        if (!refused) room.topics.push(word);
        break;
      case "remove":
        assertEquals(
          refused,
          !isMember || (isOwner ? other === user : other !== user),
        );
        if (!refused) members.delete(other);
        break;
      case "pass on":
        assertEquals(refused, !isOwner || !isMember);
        if (!refused) room.owner = other;
        break;
      case "close":
        assertEquals(refused, !isOwner);
        if (!refused) this.#close(room);
        break;
      case "history": {
        const shown = frames.join("");
        for (const word of room.words) assert(shown.includes(word), word);
      }
    }
  }

  /** Sends a private message. */
  async #whisper(user: string, other: string): Promise<void> {
    const word = `word${++this.#words}x`;
    this.#whispers.push({ word, users: new Set([user, other]) });
    await this.#send(user, request(`SEND ${other}`, word));
  }

  /** What two users have sent to each other: all that was stored, if they may. */
  async #talk(user: string, other: string): Promise<void> {
    const text = `HISTORY ${other}\nLimit: 1000\n\n`;
    const shown = (await this.#send(user, text)).join("");
    const isOfGuest = [user, other].includes("gina");
    assertEquals(shown.includes("ERROR "), isOfGuest);
  }

  /** A second device connects, or ends. */
  async #second(name: string): Promise<void> {
    const key = `${name}+`;
    const before = this.#users.get(key);
    if (before) {
      this.#users.delete(key);
      await before.client.send("LOGOUT\n\n");
      await before.client.next("BYE");
      before.client.close();
    } else {
      const { client } = await logIn(this.server.port, name);
      this.#users.set(key, { client });
    }
  }

  #close(room: Room): void {
    this.rooms.splice(this.rooms.indexOf(room), 1);
    this.#closed.push(room);
  }

  async #moderate(room: Room | undefined, other: string): Promise<void> {
    if (!this.#users.has("mia")) return;
    for (
      const line of [
        "users",
        "rooms",
        "bans",
        `mute ${other} 1s`,
        "unmute gina",
      ]
    ) {
      if (line.includes("mia")) continue;
      await this.#send("mia", request("MODERATE", line));
      await this.#send("mia", request("MODERATE", `unmute ${other}`));
    }
    if (!room) return;
    const { name } = room;
    const answers: string[] = [];
    for (const word of [name, "#group.zzzz"]) {
      const frames = await this.#send(
        "mia",
        request("MODERATE", `forget ${word}`),
      );
      const [answer = ""] = frames.filter((one) => one.startsWith("MODERATED"));
      answers.push(answer.replaceAll(word, "#ROOM"));
      // It repeats what the moderator has written.
      const kept = this.#pending.get("mia")!.filter((one) => one !== answer);
      this.#pending.set("mia", kept);
    }
    assertEquals(answers[0], answers[1]);
  }

  async #enter(name: string): Promise<void> {
    const client = await RawClient.enter(this.server.port, name, "#default");
    this.#users.set(name, { client });
  }

  async #signUp(name: string): Promise<void> {
    const client = await signedUp(this.server.port, name);
    this.#users.set(name, { client });
  }

  /** Takes a session up again, with all that it missed; or begins a new one. */
  async #return(name: string): Promise<void> {
    if (name === "gina") return;
    const { token, journal } = this.#sessions.get(name) ?? NO_SESSION;
    const before = this.#users.get(name);
    const headers = token === ""
      ? ""
      : `Token: ${token}\nAfter: 0\nJournal: ${journal}\n`;
    const { client, answer } = await logIn(this.server.port, name, { headers });
    before?.client.close();
    this.#users.set(name, { client });
    this.#sessions.set(name, {
      token: headerOf(answer, "Token"),
      journal: headerOf(answer, "Journal"),
    });
  }

  /** The connection is lost, and the session can be taken up again. */
  async #go(name: string): Promise<void> {
    await this.#return(name); // whose token is known
    this.#users.get(name)!.client.close();
    this.#users.delete(name);
    await this.server.onlyConnected(this.#users.size);
  }

  async #restart(): Promise<void> {
    for (const { client } of this.#users.values()) client.close();
    for (const name of ACCOUNTS) this.#users.delete(`${name}+`);
    await this.server[Symbol.asyncDispose]();
    this.server = this.#start();
    for (const name of ACCOUNTS) await this.#return(name);
    await this.#enter("gina");
  }

  /** The name gets another owner, who is a member of nothing. */
  async #delete(name: string): Promise<void> {
    const answer = await this.server.console.run(`delete ${name}`);
    assertMatch(answer, /^Deleted the account/);
    for (const key of [name, `${name}+`]) this.#users.get(key)?.client.close();
    this.#users.delete(`${name}+`);
    this.#sessions.delete(name);
    for (const { users } of this.#whispers) users.delete(name);
    for (const { name: room } of [...this.rooms, ...this.#closed]) {
      this.#reads.delete(`${name} ${room}`);
    }
    for (const room of [...this.rooms]) {
      room.members.delete(name);
      if (room.owner !== name) continue;
      const all = [...room.members.keys()];
      const heir = all.find((one) => room.members.get(one)) ?? all[0];
      if (heir === undefined) this.#close(room);
      else room.owner = heir;
    }
    await this.#signUp(name);
  }

  /** The server knows the same rooms, with the same members in the same order. */
  compare(): void {
    const all = this.server.context.privateRooms.loaded?.all() ?? [];
    const stored = Array.from(
      all,
      ({ name, owner, members }) => [name, owner, ...members.keys()].join(" "),
    ).sort();
    const meant = this.rooms.map(({ name, owner, members }) =>
      [name, owner, ...members.keys()].join(" ")
    ).sort();
    assertEquals(stored, meant);
  }
}

Deno.test("nothing shows a private room, or a message of one, to a user who is no member", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      await using world = await World.open();
      for (const step of [...FIRST, ...all, ...LAST]) await world.do(step);
      world.compare();
    }),
    { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 100_000 },
  );
});
