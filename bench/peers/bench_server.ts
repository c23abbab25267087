/**
 * The server as a process of a bench, with all its limits and a database of its
 * own, in a folder that is removed with the bench.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

import {
  Child,
  connectWhenListening,
  freePort,
  makeTempDir,
} from "./processes.ts";

/** Dispose to end it. */
export class BenchServer implements AsyncDisposable {
  readonly port: number;
  readonly #child: Child;

  private constructor(port: number, child: Child) {
    this.port = port;
    this.#child = child;
  }

  /** Starts one with further options, and waits until it listens. */
  static async start(...options: string[]): Promise<BenchServer> {
    const script = fileURLToPath(new URL("../../server.ts", import.meta.url));
    const port = freePort();
    const where = ["--host", "127.0.0.1", "--port", `${port}`];
    const command = [Deno.execPath(), "run", "-A", script, ...where];
    const child = new Child([...command, ...options], {
      name: "parley",
      cwd: await makeTempDir(),
      unprivileged: false,
    });
    (await connectWhenListening(port, child)).close();
    return new BenchServer(port, child);
  }

  /** Why it no longer runs, if so. */
  get death(): string | undefined {
    return this.#child.death;
  }

  /** How much of a core it has used, in milliseconds. */
  async cpuMs(): Promise<number> {
    const stat = await Deno.readTextFile(`/proc/${this.#child.pid}/stat`);
    const [user, system] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(
      12,
    );
    return (Number(user) + Number(system)) * 10; // ticks of 1/100 s
  }

  /** How much memory it has, in bytes. */
  async residentBytes(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.#child.pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.end();
  }
}
