/**
 * Starts the servers of a run. The command lines are here, and nowhere else.
 *
 * @module
 */
import type { FaultProxy } from "../tools/net/fault_proxy.ts";
import { NatsNode } from "./nats_node.ts";
import { ParleyNode } from "./node.ts";

/** What a run has of servers. */
export interface ClusterOptions {
  /** How many Parley servers: one with a file, or several with NATS. */
  readonly servers: number;
  /** The program of NATS, if there are several. */
  readonly nats: string | undefined;
  /** A folder that exists, for everything that they store. */
  readonly folder: string;
  /** Bytes of the disk of each server; without it, the folder's. */
  readonly diskBytes: number | undefined;
  /** See {@linkcode ParleyNode}. */
  readonly clockLibrary: string | undefined;
  readonly trouble: (who: string, what: string) => void;
}

/** How many servers of NATS there are, if there are any. */
export const NATS_SERVERS = 3;

/** See the top of the file. */
export class Cluster implements AsyncDisposable {
  readonly nodes: readonly ParleyNode[];
  /** None, if there is one server. */
  readonly nats: readonly NatsNode[];
  readonly #parts: AsyncDisposableStack;

  private constructor(
    nodes: readonly ParleyNode[],
    nats: readonly NatsNode[],
    parts: AsyncDisposableStack,
  ) {
    this.nodes = nodes;
    this.nats = nats;
    this.#parts = parts;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    await using parts = new AsyncDisposableStack();
    const { servers, folder, clockLibrary, nats: program, trouble } = options;
    const nats = program === undefined
      ? []
      : await NatsNode.startAll(NATS_SERVERS, servers, {
        ...{ program, folder, trouble },
      });
    for (const one of nats) parts.use(one);
    const nodes: ParleyNode[] = [];
    for (let number = 0; number < servers; number++) {
      const name = `s${number + 1}`;
      const own = `${folder}/${name}`;
      await Deno.mkdir(own);
      if (options.diskBytes !== undefined) {
        parts.use(await mount(own, options.diskBytes));
      }
      const args = [
        "--no-limits",
        ...["--db", `${own}/chat.db`],
        ...nats.length > 0 ? clusterArgs(name, number, nats) : [],
      ];
      nodes.push(parts.use(
        await ParleyNode.start({
          ...{ name, folder: own, args, clockLibrary, trouble },
        }),
      ));
    }
    return new Cluster(nodes, nats, parts.move());
  }

  /** What is between two servers of NATS, both ways. */
  routesOf(number: number): FaultProxy[] {
    const others = this.nats.filter((_, other) => other !== number);
    return [
      ...this.nats[number]!.routes,
      ...others.map(({ routes }) => routes[number]!),
    ];
  }

  /** What is between a server of Parley and those of NATS. */
  linksOf(number: number): FaultProxy[] {
    return this.nats.map(({ proxies }) => proxies[number]!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** The part of a command line that makes a server one of several. */
function clusterArgs(
  name: string,
  number: number,
  nats: readonly NatsNode[],
): string[] {
  const addresses = nats
    .map(({ proxies }) => `nats://127.0.0.1:${proxies[number]!.port}`);
  const first = number % addresses.length; // each begins with another
  const turned = [...addresses.slice(first), ...addresses.slice(0, first)];
  return [
    ...["--nats", turned.join(",")],
    ...["--cluster", "jepsen", "--server-name", name],
  ];
}

/** Why a folder cannot be a disk of its own, if it is so. */
export async function whyNoDisk(folder: string): Promise<string | undefined> {
  try {
    await using _disk = await mount(folder, 2 ** 20);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : `${error}`;
  }
}

/** Makes `folder` a disk of its own, in memory. */
async function mount(folder: string, bytes: number): Promise<AsyncDisposable> {
  await run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder);
  return { [Symbol.asyncDispose]: () => run("umount", folder) };
}

/** @throws {Error} With what the program said, if it fails. */
async function run(program: string, ...args: string[]): Promise<void> {
  if (Deno.build.os !== "linux") throw new Error("only Linux has this");
  const { success, stderr } = await new Deno.Command(program, { args })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
}

/** Where Debian's package has the library that makes clocks wrong. */
const CLOCK_LIBRARIES: readonly string[] = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/** libfaketime, if it is installed. */
export async function findClockLibrary(): Promise<string | undefined> {
  for (const path of CLOCK_LIBRARIES) {
    const found = await Deno.stat(path).then(() => true, () => false);
    if (found) return path;
  }
  return undefined;
}
