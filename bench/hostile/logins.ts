/**
 * Measures how fast users sign in, and whether that delays users who chat.
 *
 *     deno run -A bench/hostile/logins.ts
 *
 * Ten people are in a room and hear a message every 10 ms. How long each
 * delivery takes is measured while no user signs in, and while 200 log in at once,
 * ten times. They do so in a process of its own that gives way to the others
 * (`nice`). What a client computes before its first PROVE, 600,000 rounds of
 * PBKDF2, is done beforehand, as it would be on 200 computers. Then, while nobody
 * talks, 2,000 log in as fast as they can, 50 at a time.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import {
  deriveKeys,
  ITERATIONS,
  type Keys,
  verifierOf,
} from "../../core/scram.ts";
import { BenchServer } from "../peers/bench_server.ts";
import { Client } from "./client.ts";
import { quantile } from "./delays.ts";
import { cleanUp } from "../peers/processes.ts";

const LISTENERS = 10;
const EVERY_MS = 10;
const QUIET_MS = 5_000;
const CROWD = 200;
const CROWDS = 10;
const PAUSE_MS = 500;
const SILENCE_MS = 2_000; // newcomers give way as long as messages are sent
const LOGINS = 2_000;
const AT_ONCE = 50;

const ROOM = "#bench";
const PASSWORD = "pencil";
const SALT = "c2FsdHNhbHRzYWx0c2FsdA==";

/** Logs in, and stays. */
async function logIn(port: number, name: string, keys: Keys): Promise<Client> {
  const client = await Client.connect(port);
  await client.logIn(name, keys);
  return client;
}

/** The users who sign in: a line of the input says how many, and how many at once. */
async function crowd(port: number): Promise<void> {
  const keys = await deriveKeys(PASSWORD, SALT, ITERATIONS);
  console.log("ready");
  for await (
    const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())
  ) {
    const [count, atOnce] = text.trim().split(" ").map(Number);
    const clients: Client[] = [];
    let next = 0;
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: atOnce! }, async () => {
      while (next < count!) {
        const client = await logIn(port, nameOf(next++ % CROWD), keys);
        clients.push(client);
      }
    }));
    console.log(performance.now() - startedAt);
    for (const client of clients) client[Symbol.dispose]();
  }
}

/** The crowd's process: asks for logins, and says how long they took, in ms. */
class CrowdProcess implements Disposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;

  constructor(port: number) {
    this.#process = new Deno.Command("nice", {
      args: [
        "-n",
        "19",
        Deno.execPath(),
        "run",
        "-A",
        fileURLToPath(import.meta.url),
        `${port}`,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
  }

  async ready(): Promise<void> {
    await this.#output.read();
  }

  async logIn(count: number, atOnce: number): Promise<number> {
    await this.#input.write(encoder.encode(`${count} ${atOnce}\n`));
    return Number((await this.#output.read()).value);
  }

  [Symbol.dispose](): void {
    this.#process.kill("SIGKILL");
  }
}

async function measure(): Promise<void> {
  await using server = await BenchServer.start({ args: ["--no-limits"] });
  const { port } = server;
  await signUpAll(port);
  using people = new CrowdProcess(port);
  await people.ready();

  const delays: number[] = [];
  const chat = await startChat(port, (ms) => delays.push(ms));
  await sleep(PAUSE_MS);
  delays.length = 0;
  await sleep(QUIET_MS);
  report("no user signs in", delays.splice(0));

  const during: number[] = [];
  const took: number[] = [];
  for (let round = 0; round < CROWDS; round++) {
    await sleep(PAUSE_MS);
    delays.length = 0;
    took.push(await people.logIn(CROWD, CROWD));
    during.push(...delays.splice(0));
  }
  report(`${CROWD} log in at once`, during);
  console.log(`  ${CROWD} logins take ${quantile(took, 0.5).toFixed(0)} ms`);
  chat.stop();
  await sleep(SILENCE_MS);

  const cpuBefore = await server.cpuMs();
  const ms = await people.logIn(LOGINS, AT_ONCE);
  const cpu = (await server.cpuMs() - cpuBefore) / LOGINS;
  const rate = Math.round(LOGINS / ms * 1_000);
  console.log(
    `${rate} logins/s, ${cpu.toFixed(2)} ms of the server's CPU each`,
  );
}

/** Makes the accounts that log in later. */
async function signUpAll(port: number): Promise<void> {
  const keys = await deriveKeys(PASSWORD, SALT, ITERATIONS);
  const verifier = await verifierOf(keys);
  for (let index = 0; index < CROWD; index++) {
    using client = await Client.connect(port);
    await client.ask("SIGNUP", [nameOf(index)], verifier);
  }
}

/** People in a room, one of whom talks; `heard` gets what a delivery took. */
async function startChat(
  port: number,
  heard: (ms: number) => void,
): Promise<{ stop(): void }> {
  const clients: Client[] = [];
  for (let index = 0; index <= LISTENERS; index++) {
    const client = await Client.connect(port, {
      onForward({ body }) {
        heard(performance.now() - Number(decoder.decode(body)));
      },
    });
    await client.ask("REGISTER", [`guest${index}`]);
    await client.ask("JOIN", [ROOM]);
    clients.push(client);
  }
  const [talker] = clients;
  const timer = setInterval(() => {
    const text = `${performance.now()}`.padEnd(BODY_BYTES, "0");
    talker!.ask("SEND", [ROOM], text).catch(fail);
  }, EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      for (const client of clients) client[Symbol.dispose]();
    },
  };
}

function fail(error: unknown): never {
  console.error(error);
  cleanUp();
  Deno.exit(1);
}

function report(when: string, delays: number[]): void {
  const [p50, p99, most] = [0.5, 0.99, 1].map((share) =>
    quantile(delays, share).toFixed(2)
  );
  console.log(
    `${when}: ${delays.length} deliveries, p50 ${p50} ms, p99 ${p99} ms, most ${most} ms`,
  );
}

function nameOf(index: number): string {
  return `user${index}`;
}

const BODY_BYTES = 100;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

if (import.meta.main) {
  const [port] = Deno.args;
  if (port !== undefined) await crowd(Number(port));
  else {
    await measure().catch(fail);
    cleanUp();
  }
}
