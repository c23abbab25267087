/**
 * Measures whether users who chat notice clients that mistreat the server.
 *
 *     deno run -A bench/hostile/hostile.ts
 *
 * Fifty users are in five rooms, and ten in one more; each sends 100 bytes twice
 * a second. The bench measures how long each delivery to the fifty takes: first
 * while they are alone, then beside 2,200 foes. Of these, 1,000 send nothing,
 * 1,000 send a byte a second, and 200 are in the sixth room and never read. A foe
 * that is disconnected connects again.
 *
 * In reality the foes would be other computers. So they use a hundred addresses,
 * and their process runs only when no other wants to (`chrt --idle`; with `nice`
 * it would still keep a processor for 4 ms that the server needs). For the same
 * reason the users have a processor whenever they want one (`chrt --rr`, which
 * takes root). Without it they would wait behind the server, up to 3 ms, while
 * the foes have the other processor. The server runs with all its limits.
 *
 * Then one sender sends to a room of a hundred as fast as it can, with and without
 * one member that has stopped reading.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { beat } from "./beat.ts";
import { BenchServer } from "../peers/bench_server.ts";
import { Client } from "./client.ts";
import { quantile } from "./delays.ts";
import { attack, BUSY_ROOM, FOES } from "./foes.ts";
import { cleanUp, own } from "../peers/processes.ts";
import { measureFullRoom } from "./stuck.ts";

const ROOMS = 5;
const PEOPLE = 50;
const SAY_EVERY_MS = 500;
const BODY_BYTES = 100;

const BUSY_PEOPLE = 10;

const SETTLE_MS = 3_000;
const ALONE_MS = 40_000;
const TOGETHER_MS = 80_000;

/** How many foes must be connected before the measurement begins. */
const ALL_FOES = Object.values(FOES).reduce((sum, count) => sum + count, 0);

/** The foes, as a process; and how many of their connections there were. */
class Foes {
  connected = 0;
  thrownOut = 0;
  readonly #reading: Promise<void>;

  constructor(port: number) {
    const script = fileURLToPath(import.meta.url);
    const process = new Deno.Command("chrt", {
      args: ["--idle", "0", Deno.execPath(), "run", "-A", script, `${port}`],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    own(process);
    this.#reading = this.#read(process.stdout);
  }

  /** Resolves when all of them are connected at a time. */
  async gathered(): Promise<void> {
    while (this.connected - this.thrownOut < ALL_FOES) {
      await Promise.race([sleep(100), this.#reading]);
    }
  }

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    for await (const bytes of output) {
      for (const byte of bytes) {
        if (byte === CONNECTED) this.connected++;
        else this.thrownOut++;
      }
    }
  }
}

const CONNECTED = 1;
const THROWN_OUT = 2;

/** The process of the foes: a byte on its output for everything that happens. */
async function beFoes(port: number): Promise<void> {
  let told: number[] = [];
  setInterval(() => {
    Deno.stdout.writeSync(Uint8Array.from(told)); // few: a pipe takes them
    told = [];
  }, 100);
  await attack(port, (what) => {
    told.push(what === "connected" ? CONNECTED : THROWN_OUT);
  });
}

/** The users who chat, and how long their deliveries took, in milliseconds. */
class Chat {
  readonly delays: number[] = [];
  said = 0;
  readonly #talking: (() => void)[] = [];

  static async start(port: number): Promise<Chat> {
    const chat = new Chat();
    const rooms = Array.from({ length: PEOPLE }, (_, i) => `#room${i % ROOMS}`)
      .concat(Array.from({ length: BUSY_PEOPLE }, () => BUSY_ROOM));
    for (const [i, room] of rooms.entries()) {
      const client = await chat.#enter(port, `person${i}`, room);
      const startAt = i / rooms.length * SAY_EVERY_MS; // not all in one moment
      setTimeout(() => chat.#chat(client, room), startAt);
    }
    return chat;
  }

  stop(): void {
    for (const stop of this.#talking) stop();
  }

  async #enter(port: number, name: string, room: string): Promise<Client> {
    const client = await Client.connect(port, ({ body }) => {
      if (room === BUSY_ROOM) return; // its members are not measured
      const sentAt = Number(decoder.decode(body));
      this.delays.push(performance.now() - sentAt);
    });
    await client.ask("REGISTER", [name]);
    await client.ask("JOIN", [room]);
    return client;
  }

  #chat(client: Client, room: string): void {
    const say = () => {
      if (room !== BUSY_ROOM) this.said++;
      const text = `${performance.now()}`.padEnd(BODY_BYTES, "0");
      client.ask("SEND", [room], text).catch(fail);
    };
    this.#talking.push(beat(SAY_EVERY_MS, say));
  }
}

/** What was measured in one part of the run. */
interface Part {
  readonly p50: number;
  readonly p99: number;
}

async function measureAll(): Promise<void> {
  await schedule("--rr", 1);
  await measureChat();
  await schedule("--other", 0);
  await measureFullRoom(() => BenchServer.start());
}

async function measureChat(): Promise<void> {
  await using server = await BenchServer.start();
  const chat = await Chat.start(server.port);
  await sleep(SETTLE_MS);
  const alone = await part("alone", ALONE_MS, { chat, server });

  const foes = new Foes(server.port);
  const before = performance.now();
  await foes.gathered();
  const took = Math.round(performance.now() - before);
  console.log(`${ALL_FOES} foes have come, in ${took} ms`);
  const together = await part("with them", TOGETHER_MS, { chat, server });
  console.log(`  ${foes.thrownOut} of their connections were ended`);
  const ratio = together.p99 / alone.p99;
  console.log(`p99 is ${ratio.toFixed(2)} times what it was alone`);
  if (server.death !== undefined) throw new Error(server.death);
  chat.stop();
}

/** Schedules this thread, and nothing it starts, like that; see chrt(1). */
async function schedule(policy: string, priority: number): Promise<void> {
  const process = new Deno.Command("chrt", {
    args: [policy, "--reset-on-fork", "--pid", `${priority}`, `${Deno.pid}`],
  });
  const { success, stderr } = await process.output();
  if (!success) console.error(decoder.decode(stderr).trim());
}

/** Measures for so long, and prints the result. */
async function part(
  name: string,
  forMs: number,
  { chat, server }: { chat: Chat; server: BenchServer },
): Promise<Part> {
  let peakBytes = 0;
  const stolenBefore = await stolenMs();
  chat.delays.length = 0;
  chat.said = 0;
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    await sleep(100);
    peakBytes = Math.max(peakBytes, await server.residentBytes());
  }
  const delays = chat.delays.splice(0);
  const stolen = await stolenMs() - stolenBefore;
  const expected = chat.said * (PEOPLE / ROOMS - 1);
  const [p50, p99, most] = [0.5, 0.99, 1].map((at) => quantile(delays, at));
  console.log(
    `${name}: ${delays.length} deliveries of ${expected}, p50 ${
      p50!.toFixed(2)
    } ms, p99 ${p99!.toFixed(2)} ms, most ${most!.toFixed(2)} ms; memory at ` +
      `most ${
        (peakBytes / 2 ** 20).toFixed(0)
      } MiB; the host took ${stolen} ms`,
  );
  return { p50: p50!, p99: p99! };
}

/**
 * How long the host of this machine has kept the processors from it so far, in
 * milliseconds. A part of the run with more than a few hundred proves nothing.
 */
async function stolenMs(): Promise<number> {
  const stat = await Deno.readTextFile("/proc/stat");
  return Number(stat.split(/\s+/)[8]) * 10; // of the first line, all processors
}

function fail(error: unknown): never {
  console.error(error);
  cleanUp();
  Deno.exit(1);
}

const decoder = new TextDecoder();

if (import.meta.main) {
  const [port] = Deno.args;
  if (port !== undefined) await beFoes(Number(port));
  else {
    await measureAll().catch(fail);
    cleanUp();
    Deno.exit();
  }
}
