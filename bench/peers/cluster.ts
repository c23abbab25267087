/**
 * Three servers of Parley that have one chat, and the three servers of NATS that
 * they need.
 *
 * @module
 */
import { NatsServers } from "../../tests/cluster/nats_servers.ts";
import type { Peer } from "./peers.ts";
import {
  Child,
  connectWhenListening,
  doAtExit,
  freePort,
  makeTempDir,
  removeTempDir,
} from "./processes.ts";

/** How many servers of Parley there are. */
const SERVERS = 3;

/** One of them. */
interface Member {
  readonly port: number;
  readonly child: Child;
  readonly dir: string;
}

/** See the top of the file; a `Server` of start.ts. Dispose to end all. */
export class Cluster implements AsyncDisposable {
  /** The servers of NATS. */
  readonly nats: NatsServers;
  /** Until all are ready, without the start of NATS. */
  readonly listeningMs: number;
  readonly #members: readonly Member[];

  private constructor(
    nats: NatsServers,
    members: readonly Member[],
    listeningMs: number,
  ) {
    this.nats = nats;
    this.#members = members;
    this.listeningMs = listeningMs;
  }

  /** Starts all, and waits until each server has told its clients of the others. */
  static async start(peer: Peer, toolsDir: string): Promise<Cluster> {
    await using scope = new AsyncDisposableStack();
    const nats = scope.use(await NatsServers.start());
    doAtExit(() => nats.endNow());
    const startedAt = performance.now();
    const members: Member[] = [];
    for (let number = 0; number < SERVERS; number++) {
      const dir = await makeTempDir();
      scope.defer(() => removeTempDir(dir));
      const name = `s${number}`;
      const together = { nats: nats.from(number).join(), name };
      const port = freePort();
      const child = new Child(peer.command({ port, dir, toolsDir, together }), {
        name: `${peer.name} ${name}`,
        cwd: dir,
        unprivileged: false,
      });
      scope.defer(() => child.end());
      (await connectWhenListening(port, child)).close();
      members.push({ port, child, dir });
    }
    for (const { port } of members) await isJoined(port);
    const cluster = new Cluster(nats, members, performance.now() - startedAt);
    cluster.#scope = scope.move();
    return cluster;
  }

  #scope = new AsyncDisposableStack();

  /** Where clients connect, of the first. */
  get port(): number {
    return this.#members[0]!.port; // there are SERVERS
  }

  get ports(): number[] {
    return this.#members.map(({ port }) => port);
  }

  get pids(): number[] {
    return this.#members.map(({ child }) => child.pid);
  }

  get beside(): number[] {
    return this.nats.pids;
  }

  /** Ends a server of Parley at once. */
  kill(server: number): void {
    this.#members[server]!.child.kill();
  }

  /** Why one of them no longer runs, if so. */
  death(): string | undefined {
    return this.#members.find(({ child }) => child.death)?.child.death;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }
}

/** Resolves when the server has told a client of all others. */
async function isJoined(port: number): Promise<void> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const hello = `REGISTER watcher${port}\n\n`;
  await conn.write(new TextEncoder().encode(hello));
  const buffer = new Uint8Array(65_536);
  for (let told = ""; newestList(told) < SERVERS - 1;) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error(`Cannot start: heard "${told}"`);
    told += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

/** How many others the last frame with a list tells of: each has the whole list. */
function newestList(told: string): number {
  const lists = told.match(/^(REGISTERED|NOTICE set).*\n(.+\n)*/gm) ?? [];
  return lists.at(-1)?.match(/^Alternate: /gm)?.length ?? 0;
}
