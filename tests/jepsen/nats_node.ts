/**
 * One server of NATS that the nemesis may hurt. Whatever comes to it from a server
 * of Parley or from the others of NATS comes through a proxy of its own.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { FaultProxy } from "../tools/net/fault_proxy.ts";
import type { Network } from "./network.ts";
import { empty } from "./programs.ts";

const SCRIPT = fileURLToPath(
  new URL("../cluster/nats-server", import.meta.url),
);

/** This computer, for the programs on it alone. */
const HERE = "127.0.0.1";

/** A port at which nobody listens: NATS tells it to others, who have the proxies. */
const NOWHERE = "127.0.0.1:1";

/** The program; or why there is none. */
export async function findNats(): Promise<{ program?: string; why?: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(SCRIPT, {
      args: ["--find"],
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(success ? stdout : stderr).trim();
    return success ? { program: text } : { why: text };
  } catch {
    return { why: "no shell runs tests/cluster/nats-server" };
  }
}

/** See the top of the file. */
export class NatsNode implements AsyncDisposable {
  readonly name: string;
  /** One for each server of Parley, in their order. */
  readonly proxies: readonly FaultProxy[];
  /** One for each server of NATS, in their order; its own is of no use. */
  readonly routes: readonly FaultProxy[];
  /** All that it stores is there. */
  readonly folder: string;
  readonly #host: string;
  readonly #command: readonly string[];
  readonly #ports: readonly [clients: number, routes: number];
  readonly #trouble: (who: string, what: string) => void;
  #child: Deno.ChildProcess | undefined;
  #settings = "";

  private constructor(
    number: number,
    { program, folderOf, network, trouble }: NatsOptions,
    { ports, proxies, routes }: Wires,
  ) {
    this.name = `n${number + 1}`;
    this.folder = folderOf(number);
    this.#host = network?.addressOf(number) ?? HERE;
    this.#command = [...network?.prefixOf(number) ?? [], program];
    this.#trouble = trouble;
    this.#ports = ports;
    this.proxies = proxies;
    this.routes = routes;
  }

  /** Starts `count` of them, for `users` servers of Parley. */
  static async startAll(
    count: number,
    users: number,
    options: NatsOptions,
  ): Promise<NatsNode[]> {
    const { network } = options;
    const hostFor = (number: number) => network?.addressFor(number) ?? HERE;
    const ports = freePorts(2 * count);
    const nodes: NatsNode[] = [];
    for (let number = 0; number < count; number++) {
      const own = [ports[2 * number]!, ports[2 * number + 1]!] as const;
      const targetHost = network?.addressOf(number) ?? HERE;
      const open = (target: number, host = HERE) =>
        FaultProxy.open({ target, targetHost, host });
      nodes.push(
        new NatsNode(number, options, {
          ports: own,
          proxies: await all(users, () => open(own[0])),
          routes: await all(count, (other) => open(own[1], hostFor(other))),
        }),
      );
    }
    for (const [number, node] of nodes.entries()) {
      const others = nodes.filter((one) => one !== node).map(({ routes }) =>
        `nats://${hostFor(number)}:${routes[number]!.port}`
      );
      node.#configure(others);
      node.up();
    }
    return nodes;
  }

  /** Starts it. */
  up(): void {
    const path = `${this.folder}.conf`;
    Deno.writeTextFileSync(path, this.#settings);
    const [program, ...args] = this.#command;
    const child = this.#child = new Deno.Command(program!, {
      args: [...args, "-c", path, "-l", `${this.folder}.log`],
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).spawn();
    child.status.then(({ code }) => {
      if (this.#child !== child) return; // it was killed
      this.#trouble(this.name, `ended by itself with ${code}`);
    });
  }

  /** Kills it, without warning. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
    await child?.status;
  }

  /** Deletes all that it stores; it must be down. */
  async wipe(): Promise<void> {
    await empty(this.folder);
  }

  /** Sends its process a signal. */
  signal(signal: Deno.Signal): void {
    this.#child?.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    for (const proxy of [...this.proxies, ...this.routes]) {
      await proxy[Symbol.asyncDispose]();
    }
  }

  #configure(others: readonly string[]): void {
    const [clients, routes] = this.#ports;
    this.#settings = `
      server_name: ${this.name}
      listen: "${this.#host}:${clients}"
      jetstream { store_dir: "${this.folder}", max_file: 10G }
      cluster {
        name: jepsen
        listen: "${this.#host}:${routes}"
        advertise: "${NOWHERE}"
        no_advertise: true
        routes: [${others.join(", ")}]
      }
    `;
  }
}

/** Where all of them are, and what goes wrong by itself. */
export interface NatsOptions {
  readonly program: string;
  /** The folder of each, which exists. */
  readonly folderOf: (number: number) => string;
  /** What each of them has an own computer in, if it has one. */
  readonly network: Network | undefined;
  readonly trouble: (who: string, what: string) => void;
}

/** What leads to a server of NATS. */
interface Wires {
  readonly ports: readonly [clients: number, routes: number];
  readonly proxies: readonly FaultProxy[];
  readonly routes: readonly FaultProxy[];
}

function all<T>(
  count: number,
  make: (number: number) => Promise<T>,
): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => make(i)));
}

/** Ports that nothing listens on. */
function freePorts(count: number): number[] {
  const open = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = open.map(({ addr }) => addr.port);
  for (const listener of open) listener.close();
  return ports;
}
