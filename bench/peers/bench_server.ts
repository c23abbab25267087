/**
 * The server as a process of a bench, with all its limits and a database and a
 * log of its own, in a folder that is removed with it.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

import {
  Child,
  connectWhenListening,
  freePort,
  makeTempDir,
  removeTempDir,
} from "./processes.ts";

/** How a server is started. */
export interface BenchServerOptions {
  /** The server.ts to run; default: that of this tree. */
  readonly script?: string;
  /** Further options of its command line. */
  readonly args?: readonly string[];
  /** A database to start with; it is copied. */
  readonly database?: string | undefined;
  /** A command that runs the server, such as `chrt`, with its arguments. */
  readonly under?: readonly string[];
}

/** Dispose to end it. */
export class BenchServer implements AsyncDisposable {
  readonly port: number;
  readonly #child: Child;
  readonly #dir: string;

  private constructor(port: number, child: Child, dir: string) {
    this.port = port;
    this.#child = child;
    this.#dir = dir;
  }

  /** Starts one, and waits until it listens. */
  static async start(options: BenchServerOptions = {}): Promise<BenchServer> {
    const { script = OWN_SCRIPT, args = [], database, under = [] } = options;
    const dir = await makeTempDir();
    if (database !== undefined) await Deno.copyFile(database, `${dir}/${FILE}`);
    const port = freePort();
    const where = ["--host", "127.0.0.1", "--port", `${port}`, "--db", FILE];
    const program = [...under, Deno.execPath(), "run", "-A", script];
    const child = new Child([...program, ...where, ...args], {
      name: "parley",
      cwd: dir,
      unprivileged: false,
      log: LOG,
    });
    (await connectWhenListening(port, child)).close();
    return new BenchServer(port, child, dir);
  }

  /** Why it no longer runs, if so. */
  get death(): string | undefined {
    return this.#child.death;
  }

  /** The number of its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** How much of a core it has used, in milliseconds. */
  async cpuMs(): Promise<number> {
    const stat = await Deno.readTextFile(`/proc/${this.#child.pid}/stat`);
    const [user, system] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(
      12,
    );
    return (Number(user) + Number(system)) * 10; // ticks of 1/100 s
  }

  /**
   * The most memory that it has had since this was asked last, in bytes. The
   * kernel keeps this number; see proc(5), clear_refs.
   */
  async peakBytes(): Promise<number> {
    const folder = `/proc/${this.#child.pid}`;
    const status = await Deno.readTextFile(`${folder}/status`);
    await Deno.writeTextFile(`${folder}/clear_refs`, "5");
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
  }

  /** The bytes of its log, and of its database. */
  async fileBytes(): Promise<{ log: number; database: number }> {
    const sizes = { log: 0, database: 0 };
    for await (const { name } of Deno.readDir(this.#dir)) {
      const { size } = await Deno.stat(`${this.#dir}/${name}`);
      if (name === LOG) sizes.log += size;
      else if (name.startsWith(FILE)) sizes.database += size;
    }
    return sizes;
  }

  /** Asks it to stop, waits until it has, and copies its database to `path`. */
  async stopAndCopy(path: string): Promise<void> {
    await this.#child.stop();
    await Deno.copyFile(`${this.#dir}/${FILE}`, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.end();
    await removeTempDir(this.#dir);
  }
}

const OWN_SCRIPT = fileURLToPath(new URL("../../server.ts", import.meta.url));
const FILE = "parley.db";
const LOG = "log";
