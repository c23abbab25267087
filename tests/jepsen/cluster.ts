/**
 * Starts the servers of a run. The command lines are here, and nowhere else.
 *
 * @module
 */
import type { FaultProxy } from "../tools/net/fault_proxy.ts";
import { NatsNode } from "./nats_node.ts";
import { Network } from "./network.ts";
import { ParleyNode } from "./node.ts";
import { mount } from "./programs.ts";

/** What a run has of servers. */
export interface ClusterOptions {
  /** How many Parley servers: one with a file, or several with NATS. */
  readonly servers: number;
  /** The program of NATS, if there are several. */
  readonly nats: string | undefined;
  /** A folder that exists, for everything that they store. */
  readonly folder: string;
  /** Bytes of the disk of each server of Parley; without it, the folder's. */
  readonly diskBytes: number | undefined;
  /** The same of each server of NATS. */
  readonly natsDiskBytes: number | undefined;
  /** Whether each server of NATS has a network of its own, see {@linkcode Network}. */
  readonly hasNetwork: boolean;
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
  /** Of the servers of NATS, if they have one. */
  readonly network: Network | undefined;
  readonly #parts: AsyncDisposableStack;

  private constructor(
    { nodes, nats, network }: Pick<Cluster, "nodes" | "nats" | "network">,
    parts: AsyncDisposableStack,
  ) {
    this.nodes = nodes;
    this.nats = nats;
    this.network = network;
    this.#parts = parts;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    await using parts = new AsyncDisposableStack();
    const { servers, folder, clockLibrary, nats: program, trouble } = options;
    const network = options.hasNetwork
      ? parts.use(await Network.open(NATS_SERVERS))
      : undefined;
    const nats: NatsNode[] = [];
    if (program !== undefined) {
      for (let number = 0; number < NATS_SERVERS; number++) {
        const own = natsFolder(folder, number);
        await Deno.mkdir(own);
        if (options.natsDiskBytes === undefined) continue;
        parts.use(await mount(own, options.natsDiskBytes));
      }
      nats.push(
        ...await NatsNode.startAll(NATS_SERVERS, servers, {
          ...{ program, network, trouble },
          folderOf: (number) => natsFolder(folder, number),
        }),
      );
    }
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
    return new Cluster({ nodes, nats, network }, parts.move());
  }

  /** What other servers of NATS connect to one through. */
  routesTo(number: number): readonly FaultProxy[] {
    return this.nats[number]!.routes;
  }

  /** What it connects to the others through. */
  routesFrom(number: number): FaultProxy[] {
    return this.nats.filter((_, other) => other !== number)
      .map(({ routes }) => routes[number]!);
  }

  /** What is between a server of Parley and those of NATS. */
  linksOf(number: number): FaultProxy[] {
    return this.nats.map(({ proxies }) => proxies[number]!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

function natsFolder(folder: string, number: number): string {
  return `${folder}/n${number + 1}`;
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
