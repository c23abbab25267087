/**
 * Starting and stopping programs so that none is left behind: not after an error,
 * not after Ctrl-C.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

/** A process whose last lines of stderr are kept; ends with the bench at the latest. */
export class Child {
  readonly startedAt = performance.now();
  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #words = "";
  #status: Deno.CommandStatus | undefined;

  constructor(
    [program, ...args]: string[],
    options: {
      name: string;
      cwd: string;
      unprivileged: boolean;
      /** A file in `cwd` for its output; without one, the output is dropped. */
      log?: string;
    },
  ) {
    this.#name = options.name;
    const nobody = options.unprivileged && Deno.uid() === 0;
    this.#process = new Deno.Command("/bin/sh", {
      // The limit of open files is the one thing that Deno cannot raise itself.
      args: [
        "-c",
        'ulimit -n "$(ulimit -Hn)"; to=$1; shift; exec "$@" > "$to"',
        "sh",
        options.log ?? "/dev/null",
        program!,
        ...args,
      ],
      cwd: options.cwd,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { NO_COLOR: "1", PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
      ...(nobody ? { uid: NOBODY_ID, gid: NOBODY_ID } : {}),
    }).spawn();
    running.add(this);
    this.#reading = this.#keepLastWords();
    this.#process.status.then((status) => {
      this.#status = status;
      running.delete(this);
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  get death(): string | undefined {
    if (!this.#status) return undefined;
    const { signal, code } = this.#status;
    const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
    const words = this.#words.trim().replaceAll("\n", " | ").slice(-LAST_WORDS);
    return `${this.#name} ${how}: ${words || "it wrote nothing"}`;
  }

  kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  /** Asks it to stop, and waits until it has. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.status;
  }

  async end(): Promise<void> {
    if (!this.#status) this.kill();
    await this.#process.status;
    await this.#reading;
  }

  async #keepLastWords(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#process.stderr) {
      this.#words = (this.#words + decoder.decode(bytes)).slice(-LAST_WORDS);
    }
  }
}

/** Connects as soon as the port is open; throws if the process ends instead. */
export async function connectWhenListening(
  port: number,
  child: { readonly death: string | undefined },
): Promise<Deno.TcpConn> {
  const limit = performance.now() + START_LIMIT_MS;
  while (performance.now() < limit) {
    try {
      return await Deno.connect({ hostname: "127.0.0.1", port });
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }
    if (child.death) throw new Error(`Cannot start: ${child.death}`);
    await sleep(1);
  }
  throw new Error(
    `Cannot start: nothing listens on the port after ${START_LIMIT_MS} ms`,
  );
}

/**
 * A free port, below those that the system gives to outgoing connections: on one
 * of these a waiting connect might reach itself.
 */
export function freePort(): number {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Ends `process` when the bench ends. */
export function own(process: Deno.ChildProcess): void {
  const child = {
    kill: () => process.kill("SIGKILL"),
  };
  running.add(child);
  process.status.finally(() => running.delete(child));
}

/** Makes a folder that is removed when the bench ends. */
export async function makeTempDir(): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "parley-bench-" });
  temporary.add(dir);
  return dir;
}

/** Removes a folder of {@linkcode makeTempDir} before the bench ends. */
export async function removeTempDir(dir: string): Promise<void> {
  await Deno.remove(dir, { recursive: true }).catch(() => {});
  temporary.delete(dir);
}

/** Runs `action` in {@linkcode cleanUp}, when no process runs any more. */
export function doAtExit(action: () => void): void {
  atExit.push(action);
}

/** Ends every process and removes every folder, at once. */
export function cleanUp(): void {
  for (const child of running) child.kill();
  for (const action of atExit) action();
  for (const dir of temporary) {
    try {
      Deno.removeSync(dir, { recursive: true });
    } catch {
      // Gone already, or a server that is just ending wrote into it: in /tmp anyway.
    }
  }
}

/** The longest that a server may take to listen. */
const START_LIMIT_MS = 15_000;

const NOBODY_ID = 65_534;
const LAST_WORDS = 300;
const running = new Set<{ kill(): void }>();
const atExit: (() => void)[] = [];
const temporary = new Set<string>();
