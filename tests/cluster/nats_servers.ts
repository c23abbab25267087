/**
 * Three servers of NATS that work together, on this computer, in a temporary
 * folder; and tests that need them, which are ignored where there are none.
 */
import { fileURLToPath } from "node:url";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { lastingPort } from "../tools/net/test_server.ts";
import { PATIENCE_MS, within } from "../tools/net/within.ts";
import { skippedIf } from "../tools/system/skips.ts";

/** How many there are. */
const SERVERS = 3;

const SCRIPT = fileURLToPath(new URL("nats-server", import.meta.url));

/** The program; or why there is none. */
const { program, reason } = find();

function find(): { program?: string; reason?: string } {
  try {
    const { success, stdout, stderr } = new Deno.Command(SCRIPT, {
      args: ["--find"],
      stdin: "null",
    }).outputSync();
    const text = new TextDecoder().decode(success ? stdout : stderr).trim();
    return success ? { program: text } : { reason: text };
  } catch {
    return { reason: "no shell runs tests/cluster/nats-server" };
  }
}

/** Whether tests can have servers of NATS. */
export const hasNats: boolean = program !== undefined;

/** A test that gets three servers of NATS, for it alone. */
export function natsTest(
  name: string,
  body: (nats: NatsServers) => Promise<void>,
): void {
  Deno.test(needsNats({
    name,
    async fn() {
      await using nats = await NatsServers.start();
      await body(nats);
    },
  }));
}

/** A test that starts servers of NATS; skipped where there is no program for it. */
export function needsNats<T>(
  test: Parameters<typeof skippedIf<T>>[1],
): ReturnType<typeof skippedIf<T>> {
  return skippedIf(hasNats ? undefined : reason, test);
}

/** JetStream, as a test uses it. */
export interface Manager extends AsyncDisposable {
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
}

/** Lines for the configuration of a server. */
export type Extra = (server: number) => string;

/** See the top of the file. */
export class NatsServers implements AsyncDisposable {
  readonly #folder: string;
  readonly #ports: readonly number[];
  readonly #routes: readonly number[];
  readonly #extra: Extra;
  readonly #named: number;
  readonly #running = new Map<number, Deno.ChildProcess>();

  /** Starts them, and waits until they have a leader. `extra` has more settings. */
  static async start(extra: Extra = () => ""): Promise<NatsServers> {
    const servers = new NatsServers(extra);
    try {
      for (let server = 0; server < SERVERS; server++) servers.run(server);
      await within(servers.#untilReady(), () => "a leader of NATS");
      return servers;
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Stopped ones; all know the first `named` of them, and of others by these. */
  constructor(extra: Extra, named = SERVERS) {
    this.#named = named;
    this.#folder = Deno.makeTempDirSync({ prefix: "parley-nats-" });
    // Each listens there again when it is started again.
    const ports = new Set<number>();
    while (ports.size < 2 * SERVERS) ports.add(lastingPort());
    this.#ports = [...ports].slice(0, SERVERS);
    this.#routes = [...ports].slice(SERVERS);
    this.#extra = extra;
  }

  /** Where each one listens. */
  get addresses(): string[] {
    return this.#ports.map((port) => `nats://127.0.0.1:${port}`);
  }

  /** The addresses, one of them first: NATS's client begins with it. */
  from(server: number): string[] {
    const { addresses } = this;
    return [...addresses.slice(server), ...addresses.slice(0, server)];
  }

  /** The numbers of the processes that run. */
  get pids(): number[] {
    return Array.from(this.#running.values(), ({ pid }) => pid);
  }

  /** Starts one, unless it runs. */
  run(server: number): void {
    if (this.#running.has(server)) return;
    const path = `${this.#folder}/n${server}.conf`;
    Deno.writeTextFileSync(path, this.#settings(server));
    const child = new Deno.Command(program!, {
      args: ["-c", path, "-l", `${this.#folder}/n${server}.log`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#running.set(server, child);
  }

  /** Ends one, at once. */
  async kill(server: number): Promise<void> {
    const child = this.#running.get(server);
    this.#running.delete(server);
    child?.kill("SIGKILL");
    await child?.status;
  }

  /** Sends one a signal, such as SIGSTOP. */
  signal(server: number, signal: Deno.Signal): void {
    this.#running.get(server)?.kill(signal);
  }

  /** For what a test itself does there: a slow machine may take its time. */
  async manage(): Promise<Manager> {
    const { connect } = await import("@nats-io/transport-node");
    const { jetstream, jetstreamManager } = await import("@nats-io/jetstream");
    const connection = await connect({
      ...{ servers: this.addresses, timeout: PATIENCE_MS },
    });
    const api = { timeout: PATIENCE_MS, checkAPI: false };
    return {
      js: jetstream(connection, api),
      jsm: await jetstreamManager(connection, api),
      [Symbol.asyncDispose]: () => connection.close(),
    };
  }

  /** The number of the server that NATS calls so. */
  named(name: string): number {
    return Number(name.slice(1)) - 1;
  }

  /** Ends all of them, where nothing can be waited for: at the end of a program. */
  endNow(): void {
    for (const child of this.#running.values()) child.kill("SIGKILL");
    this.#running.clear();
    try {
      Deno.removeSync(this.#folder, { recursive: true });
    } catch {
      // It is gone, or a server that just ends writes into it.
    }
  }

  /** The number of the server that leads a stream; waits until one does. */
  async leaderOf(stream: string): Promise<number> {
    const { connect } = await import("@nats-io/transport-node");
    const { jetstreamManager } = await import("@nats-io/jetstream");
    const connection = await connect({ servers: this.addresses });
    try {
      const options = { timeout: 500, checkAPI: false };
      const jsm = await jetstreamManager(connection, options);
      for (;;) {
        try {
          const { cluster } = await jsm.streams.info(stream);
          if (cluster?.leader) return this.named(cluster.leader);
        } catch {
          // There is none at the moment.
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    } finally {
      await connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      Array.from(this.#running.keys(), (server) => this.kill(server)),
    );
    Deno.removeSync(this.#folder, { recursive: true });
  }

  #settings(server: number): string {
    const routes = this.#routes.slice(0, this.#named).map((port) =>
      `nats://127.0.0.1:${port}`
    );
    return `
      server_name: n${server + 1}
      listen: "127.0.0.1:${this.#ports[server]}"
      jetstream { store_dir: "${this.#folder}/n${server}", max_file: 10G }
      cluster {
        name: test
        listen: "127.0.0.1:${this.#routes[server]}"
        routes: [${routes.join(", ")}]
      }
      ${this.#extra(server)}
    `;
  }

  async #untilReady(): Promise<void> {
    const { connect } = await import("@nats-io/transport-node");
    const { jetstreamManager } = await import("@nats-io/jetstream");
    for (;;) {
      try {
        const connection = await connect({ servers: this.addresses });
        try {
          const jsm = await jetstreamManager(connection, { timeout: 500 });
          await jsm.getAccountInfo();
          return;
        } finally {
          await connection.close();
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}
