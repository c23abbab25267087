/**
 * Measures what it costs that messages are stored: the figures of
 * docs/storage.md, on this machine.
 *
 *     deno run -A bench/storage.ts
 *
 * The server is a process of its own with a file in a temporary folder, and all
 * that is measured goes over TCP on 127.0.0.1.
 *
 * @module
 */
import { Database } from "../server/journal/database.ts";
import { SqliteJournal } from "../server/journal/sqlite_journal.ts";
import { deno, type Peer } from "./peers/peers.ts";
import { cleanUp } from "./peers/processes.ts";
import { startServer } from "./peers/start.ts";
import { PARLEY } from "./load/protocols.ts";

const SENDERS = [1, 100, 1_000];
const SEND_MS = 5_000;
const MESSAGES = 1_000_000;
const ROOMS = 50;
const APPENDED_AT_ONCE = 1_000;
const HISTORIES = 2_000;
const HISTORY_LIMIT = 100;
const STARTS = 5;
const BODY = "x".repeat(100);

/** Of a frame without a body, in bytes. */
const LONGEST_ANSWER = 300;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A Parley server on that file. */
function storedIn(file: string): Peer {
  return {
    name: "parley-stored",
    kind: "parley",
    protocol: PARLEY,
    needs: { file, hint: "made by this script" },
    command: ({ port }) =>
      deno(
        "../../server.ts",
        ...["--host", "127.0.0.1", "--port", `${port}`, "--db", file],
        "--no-limits",
      ),
  };
}

/** A connection that asks one thing at a time. */
class Asker implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #buffer = new Uint8Array(65_536);

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    conn.setNoDelay();
  }

  /** Comes in. */
  static async enter(port: number, name: string): Promise<Asker> {
    const asker = new Asker(
      await Deno.connect({ port, hostname: "127.0.0.1" }),
    );
    await asker.ask(`REGISTER ${name}\n\n`, "REGISTERED ");
    return asker;
  }

  /** Sends, and reads through the end of the frame that begins with `verb`. */
  async ask(request: string, verb: string): Promise<void> {
    await this.#conn.write(encoder.encode(request));
    for (let tail = "";;) {
      const count = await this.#conn.read(this.#buffer);
      if (count === null) throw new Error(`Cannot get ${verb}: the end came`);
      tail = (tail + decoder.decode(this.#buffer.subarray(0, count))).slice(
        -LONGEST_ANSWER,
      );
      if (tail.endsWith("\n\n") && tail.includes(verb)) return;
    }
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }
}

/** Messages a second that are answered SENT, each sender one at a time. */
async function measureSenders(count: number, dir: string): Promise<number> {
  await using server = await startServer(storedIn(`${dir}/s${count}.db`), dir);
  const askers = await Promise.all(
    Array.from({ length: count }, (_, i) => Asker.enter(server.port, `u${i}`)),
  );
  await Promise.all(
    askers.map((asker, i) => asker.ask(`JOIN #room${i}\n\n`, "JOINED ")),
  );
  const until = performance.now() + SEND_MS;
  let sent = 0;
  await Promise.all(askers.map(async (asker, i) => {
    for (let key = 0; performance.now() < until; key++, sent++) {
      const head = `SEND #room${i}\nKey: ${key}\nContent-length: 100`;
      await asker.ask(`${head}\n\n${BODY}`, "SENT ");
    }
  }));
  for (const asker of askers) asker[Symbol.dispose]();
  return sent / (SEND_MS / 1_000);
}

/** Makes a file with a million messages, each a row of its own. */
async function fill(file: string): Promise<void> {
  using database = new Database(file);
  const keep = { forMs: Infinity, messages: Infinity, bytes: Infinity };
  const journal = new SqliteJournal(database, keep);
  const body = encoder.encode(BODY);
  for (let first = 0; first < MESSAGES; first += APPENDED_AT_ONCE) {
    await Promise.all(Array.from({ length: APPENDED_AT_ONCE }, (_, i) => {
      return journal.append(`u${i}`, [{ to: `#room${i % ROOMS}`, body }]);
    }));
  }
}

/** How long HISTORY takes anywhere in the journal, in milliseconds, sorted. */
async function measureHistory(file: string, dir: string): Promise<number[]> {
  await using server = await startServer(storedIn(file), dir);
  using asker = await Asker.enter(server.port, "reader");
  const times: number[] = [];
  for (let i = 0; i < HISTORIES; i++) {
    const room = Math.floor(Math.random() * ROOMS);
    const before = Math.floor(Math.random() * MESSAGES);
    const head = `HISTORY #room${room}\nLimit: ${HISTORY_LIMIT}`;
    const started = performance.now();
    await asker.ask(`${head}\nBefore: ${before}\n\n`, "HISTORY ");
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b);
}

/** How long a start takes until it accepts, in milliseconds: the median. */
async function measureStart(file: string, dir: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    await using server = await startServer(storedIn(file), dir);
    times.push(server.listeningMs);
  }
  return times.sort((a, b) => a - b)[STARTS >> 1]!; // there are some
}

async function main(dir: string): Promise<void> {
  for (const count of SENDERS) {
    const rate = await measureSenders(count, dir);
    console.log(`${count} senders: ${Math.round(rate)} stored messages/s`);
  }
  const file = `${dir}/million.db`;
  const started = performance.now();
  await fill(file);
  const seconds = (performance.now() - started) / 1_000;
  const megabytes = (await Deno.stat(file)).size / 1e6;
  console.log(
    `${MESSAGES} messages made in ${seconds.toFixed(1)} s, ${
      megabytes.toFixed(0)
    } MB`,
  );
  const times = await measureHistory(file, dir);
  const part = (share: number) =>
    times[Math.floor(times.length * share)]!.toFixed(2); // it is below 1
  console.log(`HISTORY of 100: p50 ${part(0.5)} ms, p99 ${part(0.99)} ms`);
  const empty = await measureStart(`${dir}/empty.db`, dir);
  const full = await measureStart(file, dir);
  console.log(
    `start: ${empty.toFixed(0)} ms empty, ${full.toFixed(0)} ms full`,
  );
}

if (import.meta.main) {
  const dir = await Deno.makeTempDir({ prefix: "parley-storage-" });
  try {
    await main(dir);
  } finally {
    cleanUp();
    await Deno.remove(dir, { recursive: true });
  }
}
