/**
 * The users who chat: fifty in five rooms, who each send 100 bytes twice a second,
 * from addresses of their own.
 *
 * @module
 */
import { beat } from "./beat.ts";
import { Client, Refusal } from "./client.ts";
import { word } from "./foes/foe.ts";

const PEOPLE = 50;
const ROOMS = 5;
const SAY_EVERY_MS = 500;
const BODY_BYTES = 100;

/** How many get a message. */
const RECEIVERS = PEOPLE / ROOMS - 1;

/** The name of one of them, by number. */
export function personName(index: number): string {
  return `person${word(index)}`;
}

/** The room of that one. */
export function roomOf(index: number): string {
  return `#room${word(index % ROOMS)}`;
}

/** The first of them is at this one. */
const FIRST_HOST = 2; // of 127.0.0.0/24

/** What the people noticed in one part of a run; times in milliseconds. */
export class Noticed {
  /** From sending a message to each receiver. */
  readonly deliveries: number[] = [];
  /** From sending a message to its SENT. */
  readonly answers: number[] = [];
  /** Why messages were refused. */
  readonly refused: string[] = [];
  /** Deliveries that are missing. */
  lost = 0;
  #sent = 0;
  #isSealed = false;

  /** Sends a message with `ask`; how long the answer takes is noted. */
  async note(ask: () => Promise<unknown>): Promise<void> {
    this.#sent++;
    const sentAt = performance.now();
    try {
      await ask();
      if (!this.#isSealed) this.answers.push(performance.now() - sentAt);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (!this.#isSealed) this.refused.push(error.message);
    }
  }

  /** Notes a delivery that took so long. */
  delivered(ms: number): void {
    if (!this.#isSealed) this.deliveries.push(ms);
  }

  /** Whether everything that was sent has arrived and is answered. */
  get isComplete(): boolean {
    return this.#unanswered === 0 && this.#undelivered === 0;
  }

  /** Ends it: what is missing took at least `ms`, and counts as lost. */
  seal(ms: number): void {
    this.lost = this.#undelivered;
    this.answers.push(...Array.from({ length: this.#unanswered }, () => ms));
    this.deliveries.push(...Array.from({ length: this.lost }, () => ms));
    this.#isSealed = true;
  }

  get #unanswered(): number {
    return this.#sent - this.answers.length - this.refused.length;
  }

  /** Of messages that were not refused. */
  get #undelivered(): number {
    const sent = this.#sent - this.refused.length;
    return Math.max(0, sent * RECEIVERS - this.deliveries.length);
  }
}

/** See the top of the file. */
export class People {
  readonly #parts: Noticed[] = [new Noticed()];
  readonly #clients: Client[] = [];
  readonly #stops: (() => void)[] = [];

  /** Connects all, who then talk. */
  static async start(port: number): Promise<People> {
    const people = new People();
    for (let index = 0; index < PEOPLE; index++) {
      const room = roomOf(index);
      const client = await Client.connect(port, {
        from: `127.0.0.${FIRST_HOST + index}`,
        onForward: ({ body }) => people.#heard(body),
      });
      await client.ask("REGISTER", [personName(index)]);
      await client.ask("JOIN", [room]);
      people.#clients.push(client);
      const at = index / PEOPLE * SAY_EVERY_MS; // not all in one moment
      setTimeout(() => people.#talk(client, room), at);
    }
    return people;
  }

  /** Begins a part of the run: what is sent from now on belongs to it. */
  begin(): Noticed {
    const part = new Noticed();
    this.#parts.push(part);
    return part;
  }

  /** Ends all connections. */
  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    for (const client of this.#clients.splice(0)) client[Symbol.dispose]();
  }

  #talk(client: Client, room: string): void {
    this.#stops.push(beat(SAY_EVERY_MS, () => {
      const part = this.#parts.length - 1;
      const text = `${part} ${performance.now()} `.padEnd(BODY_BYTES, "0");
      void this.#parts[part]!.note(() => client.ask("SEND", [room], text));
    }));
  }

  #heard(body: Uint8Array): void {
    const [part, sentAt] = decoder.decode(body).split(" ").map(Number);
    this.#parts[part!]!.delivered(performance.now() - sentAt!);
  }
}

const decoder = new TextDecoder();
