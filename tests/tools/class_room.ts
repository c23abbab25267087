/**
 * A class that chats while connections and servers break. Its clients are the real
 * ones, each on a terminal that is a list. The test decides what breaks; this file
 * checks that nothing was lost.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { EXIT, Failure } from "../../client/view/failure.ts";
import { ReconnectingConnection } from "../../core/net/reconnecting.ts";
import { CLOCK, type Clock } from "../../core/net/backoff.ts";
import { Session } from "../../client/chat/session.ts";
import { View } from "../../client/view/view.ts";
import { guestAccess, recordingTerminal } from "./client_tools.ts";
import { headerOf, RawClient } from "./net/raw_client.ts";
import { within } from "./net/within.ts";

/** The size of the class, and how many messages each client sends. */
export interface ClassOptions {
  /** Where the clients connect. */
  readonly port: number;
  readonly clients: number;
  readonly rooms: number;
  /** How many messages each client sends. */
  readonly messages: number;
}

/** How many messages of one client may be unanswered. */
const WINDOW = 8;

/** How long a client waits for messages, in milliseconds: servers restart meanwhile. */
const PATIENCE_MS = 60_000;

/** Pauses are shorter than for people by this factor. */
const HURRY = 100;

const HURRIED: Clock = {
  ...CLOCK,
  sleep: (ms, signal) => CLOCK.sleep(ms / HURRY, signal),
};

/** One client of the class. */
export class Pupil implements AsyncDisposable {
  readonly name: string;
  readonly room: string;
  /** What was shown of the room, as `name: text`, in the order it was shown. */
  readonly seen: string[] = [];
  /** The messages that were answered SENT, as they are shown. */
  readonly sent: string[] = [];
  /** Notes and errors that were shown. */
  readonly notes: string[] = [];
  /** Is told of each message that was answered SENT. */
  onSent: () => void = () => {};
  readonly #server: ReconnectingConnection;
  readonly #session: Session;
  readonly #reading: Promise<void>;
  #said = 0;
  #wanted: { count: number; resolve(): void } | undefined;
  readonly #away = Promise.withResolvers<void>();

  constructor(name: string, room: string, port: number) {
    this.name = name;
    this.room = room;
    const home = { hostname: "127.0.0.1", port, text: `127.0.0.1:${port}` };
    this.#server = new ReconnectingConnection({
      dial: (_signal, other = home) => Deno.connect(other).catch(passing),
      home: { place: home, way: "tcp" },
      clock: HURRIED,
    });
    this.#session = new Session({
      server: this.#server,
      terminal: recordingTerminal((text) => this.#show(text)),
      view: new View({ plain: true, colors: false, columns: () => Infinity }),
      name,
      access: guestAccess(),
    });
    this.#reading = this.#read();
  }

  /** Registers. */
  async enter(): Promise<void> {
    await Promise.race([this.#session.present, this.#reading]);
    await Promise.race([this.#session.join(this.room), this.#reading]);
  }

  /** Sends a message to the room. */
  say(text: string): void {
    this.#session.sendTo(this.room, text);
  }

  /** Resolves when the connection is lost for the first time. */
  get isAway(): Promise<void> {
    return this.#away.promise;
  }

  /** Sends messages as fast as they are answered. */
  async talk(messages: number): Promise<void> {
    for (let i = 0; i < messages; i++) {
      this.#session.sendTo(this.room, `no ${++this.#said}`);
      await this.#server.settled(WINDOW - 1);
    }
    await this.#server.settled(0);
  }

  /** Waits until so many messages of the room were shown. */
  async saw(count: number): Promise<void> {
    if (this.seen.length >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = { count, resolve };
    const what = () => `${count} messages; ${this.seen.length} came`;
    await within(Promise.race([promise, this.#reading]), what, PATIENCE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await this.#reading.catch(() => {}); // settled() or saw() has thrown it
  }

  async #read(): Promise<void> {
    let answered = 0;
    for await (const batch of this.#server.batches(this.#session.chat)) {
      for (const event of batch) {
        this.#session.chat.receive(event);
        if (event.frame.verb !== "SENT") continue;
        this.sent.push(`${this.name}: no ${++answered}`);
        this.onSent();
      }
    }
  }

  /** On another day than the last message a line with the date comes first. */
  #show(text: string): void {
    for (const line of text.split(/(?<=\n)/)) this.#showLine(line);
  }

  #showLine(line: string): void {
    const [, message] = /^\d\d:\d\d:\d\d #\S+ (.*)\n$/.exec(line) ?? [];
    if (line.includes("Reconnecting.")) this.#away.resolve();
    if (message === undefined) this.notes.push(line);
    else this.seen.push(message);
    if (this.seen.length >= (this.#wanted?.count ?? Infinity)) {
      this.#wanted?.resolve();
    }
  }
}

/**
 * Lets a class chat, with `trouble` from when all have joined until all have sent
 * everything. Checks that no message was lost, doubled, or shown in another order
 * to any client.
 *
 * @param server Where the server itself listens in the end.
 */
export async function checkNothingLost(
  options: ClassOptions,
  server: () => number,
  trouble: (pupils: readonly Pupil[]) => AsyncDisposable,
): Promise<void> {
  const { messages } = options;
  await using school = new AsyncDisposableStack();
  const pupils = await enterAll(options, school);
  {
    await using _trouble = trouble(pupils);
    await Promise.all(pupils.map((pupil) => pupil.talk(messages)));
  }
  await checkSeen(pupils, options, server());
}

/** Resolves as soon as so many messages in all were answered SENT. */
export function allSent(
  pupils: readonly Pupil[],
  count: number,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => {
    const sent = pupils.reduce((sum, pupil) => sum + pupil.sent.length, 0);
    if (sent >= count) resolve();
  };
  for (const pupil of pupils) pupil.onSent = look;
  look();
  return promise;
}

/**
 * Registers all pupils of a class, one after the other: on a slow machine thirty at
 * once get no answer in time. They leave with `school`.
 */
export async function enterAll(
  { port, clients, rooms }: Omit<ClassOptions, "messages">,
  school: AsyncDisposableStack,
): Promise<Pupil[]> {
  const pupils: Pupil[] = [];
  for (let i = 0; i < clients; i++) {
    const pupil = new Pupil(`pupil${i}`, `#room${i % rooms}`, port);
    pupils.push(school.use(pupil));
    await pupil.enter();
  }
  return pupils;
}

/**
 * Checks that each message of `pupils` was answered and shown to all in its room,
 * once and in one order, and that the server on `port` stores it like that.
 */
export async function checkSeen(
  pupils: readonly Pupil[],
  { clients, rooms, messages }: Omit<ClassOptions, "port">,
  port: number,
): Promise<void> {
  const total = messages * clients / rooms;
  await Promise.all(pupils.map((pupil) => pupil.saw(total)));

  for (const pupil of pupils) {
    const own = Array.from(
      { length: messages },
      (_, i) => `${pupil.name}: no ${i + 1}`,
    );
    assertEquals(pupil.sent, own, "every message was answered once, in order");
  }
  for (let i = 0; i < rooms; i++) {
    const kept = await historyOf(port, `#room${i}`);
    assertEquals(kept.length, total, `#room${i} has each message once`);
    assertEquals(new Set(kept).size, total);
    for (const pupil of pupils.filter(({ room }) => room === `#room${i}`)) {
      assertEquals(pupil.seen, kept, `${pupil.name} saw all, once, in order`);
    }
  }
}

/** Everything a room has, oldest first, as `name: text`. */
export async function historyOf(port: number, room: string): Promise<string[]> {
  using client = await RawClient.enter(port, "inspector");
  const messages: string[] = [];
  for (let before = "";;) {
    await client.send(`HISTORY ${room}\nLimit: 1000\n${before}\n`);
    const page: string[] = [];
    // A notice may come between; an error ends the wait for the answer.
    for (let frame = ""; !frame.startsWith("HISTORY ");) {
      frame = await client.frame();
      if (frame.startsWith("FORWARD ")) page.push(frame);
      assert(!frame.startsWith("ERROR "), frame);
    }
    const texts = page.map((one) => {
      const [head = "", text = ""] = one.split("\n\n");
      return `${head.split("\n")[0]!.slice("FORWARD ".length)}: ${text}`;
    });
    messages.unshift(...texts);
    if (page.length === 0) break;
    before = `Before: ${headerOf(page[0]!, "Id")}\n`;
  }
  // The name is free for the next one, which may come sooner than the end of this.
  await client.send("LOGOUT\n\n");
  await client.next("BYE");
  return messages;
}

function passing(cause: unknown): never {
  throw new Failure(EXIT.unreachable, "no server", { passing: true, cause });
}
