/**
 * The server as a process under observation while clients mistreat it: what it
 * prints, the memory it uses, its open files, and what its console says.
 *
 * The memory that JavaScript uses is asked for through V8's inspector, after a
 * collection: what the system counts goes up and down with the allocator.
 *
 * @module
 */
import { TextLineStream } from "@std/streams/text-line-stream";
import { PATIENCE_MS, within } from "./net/within.ts";
import { SERVER } from "./server_process.ts";

/** Options for a server that only this computer can reach. */
const HERE = ["--port", "0", "--host", "127.0.0.1"];

/** How long a start may take beside other tests, in milliseconds. */
const START_MS = 120_000;

const INSPECT = "--inspect=127.0.0.1:0";

/** What Deno says of being inspected. */
const INSPECTION = /^(Debugger session|Visit chrome)/;

/** What a terminal obeys, or what hides: the server itself prints none of it. */
const FOUL = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u;

/** Not a command: when it is answered, the answer before it is whole. */
const FENCE = "fence";
const FENCED = /^Unknown command "fence"/;

/** A line of the log. */
const LOGGED = /^\d{4}-\d\d-\d\d /;

/** So many of the last lines are kept. */
const KEPT_LINES = 200;

/** So much is kept from the start. */
const KEPT_CHARACTERS = 1_000_000;

/** A process that runs `server.ts`. */
export class WatchedServer implements AsyncDisposable {
  /** Where it listens. */
  port = 0;
  /** The last lines of its standard output, since it was last asked. */
  readonly printed: string[] = [];
  /** Its standard output, up to {@linkcode KEPT_CHARACTERS}. */
  all = "";
  /** What it wrote to its standard error. */
  errors = "";
  /** The first line it printed that can do something to a terminal. */
  foul: string | undefined;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<unknown>;
  readonly #waiting = new Set<() => void>();
  #inspector = "";
  #ended = false;

  private constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--cached-only", INSPECT, SERVER, ...HERE, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...env },
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = Promise.all([this.#readOutput(), this.#readErrors()])
      .finally(() => {
        this.#ended = true;
        this.#look();
      });
  }

  /** Starts it, with these variables added, and waits until it listens. */
  static async start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<WatchedServer> {
    const server = new WatchedServer(args, env);
    try {
      const line = await server.line(
        /Listening on port (\d+)\./,
        START_MS,
      );
      server.port = Number(line[1]);
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Waits for a line that it prints from now on, or has just printed. */
  async line(
    pattern: RegExp,
    patienceMs: number = PATIENCE_MS,
  ): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise
      .withResolvers<RegExpExecArray>();
    const look = () => {
      const line = this.printed.findLast((line) => pattern.test(line));
      if (line !== undefined) resolve(pattern.exec(line)!); // it was just found
      else if (this.#ended) reject(new Error(`It ended: ${this.errors}`));
    };
    this.#waiting.add(look);
    look();
    const what = () => `${pattern} in ${this.printed.join("\n")}`;
    return await within(promise, what, patienceMs).finally(() =>
      this.#waiting.delete(look)
    );
  }

  /** Types a command on its console; gives the lines of the answer. */
  async ask(command: string): Promise<string[]> {
    this.printed.length = 0; // earlier lines are no answer
    await this.#input.write(encoder.encode(`${command}\n${FENCE}\n`));
    await this.line(FENCED);
    const end = this.printed.findIndex((line) => FENCED.test(line));
    return this.printed.slice(0, end).filter((line) => !LOGGED.test(line));
  }

  /** Asks its console until no user is connected. */
  async untilNobodyIsHere(): Promise<void> {
    while ((await this.ask("users"))[0] !== "No users are connected");
  }

  /** Bytes that its JavaScript uses, buffers included, after a collection. */
  async usedBytes(): Promise<number> {
    const socket = new WebSocket(this.#inspector);
    const opened = Promise.withResolvers<void>();
    socket.onopen = () => opened.resolve();
    await within(opened.promise, () => "the inspector");
    const closed = Promise.withResolvers<void>();
    socket.onclose = () => closed.resolve();
    await call(socket, "HeapProfiler.collectGarbage");
    const usage = await call(socket, "Runtime.getHeapUsage");
    socket.close();
    await closed.promise;
    return usage["usedSize"]! + usage["backingStorageSize"]!;
  }

  /** Bytes of memory that the system counts for it. */
  async residentBytes(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** How many files and sockets it has open. */
  async openFiles(): Promise<number> {
    const names = await Array.fromAsync(Deno.readDir(`/proc/${this.pid}/fd`));
    return names.length;
  }

  /** Sends it a signal. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Asks it to end; gives the exit code. */
  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    return (await within(this.#child.status, () => "the exit")).code;
  }

  /** Kills it, if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#reading;
    await this.#child.status;
    await this.#input.abort().catch(() => {}); // it may have ended
  }

  async #readOutput(): Promise<void> {
    const lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      if (FOUL.test(line)) this.foul ??= line;
      if (this.all.length < KEPT_CHARACTERS) this.all += `${line}\n`;
      this.printed.push(line);
      if (this.printed.length > KEPT_LINES) this.printed.shift();
      this.#look();
    }
  }

  async #readErrors(): Promise<void> {
    const lines = this.#child.stderr
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      const [inspector] = /ws:\S+/.exec(line) ?? [];
      if (inspector) this.#inspector = inspector;
      else if (!INSPECTION.test(line)) this.errors += `${line}\n`;
      if (FOUL.test(line)) this.foul ??= line;
    }
  }

  #look(): void {
    for (const look of this.#waiting) look();
  }
}

/** Asks the inspector one thing. */
async function call(
  socket: WebSocket,
  method: string,
): Promise<Record<string, number>> {
  const { promise, resolve } = Promise.withResolvers<Record<string, number>>();
  socket.onmessage = ({ data }) => resolve(JSON.parse(data).result);
  socket.send(JSON.stringify({ id: 1, method }));
  return await within(promise, () => method);
}

const encoder = new TextEncoder();
