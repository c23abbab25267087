/**
 * Starts what is measured.
 *
 * @module
 */
import type { Peer, Place } from "./peers.ts";
import {
  Child,
  connectWhenListening,
  freePort,
  makeTempDir,
  removeTempDir,
} from "./processes.ts";

/** A server that listens; disposing it ends it and removes its folder. */
export interface Server extends AsyncDisposable {
  /** Where clients connect; of several servers with one chat, the first. */
  readonly port: number;
  /** Of all servers with one chat. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** The processes that they need. */
  readonly beside: readonly number[];
  /** Milliseconds from starting the process to the first accepted connection. */
  readonly listeningMs: number;
  /** Why it no longer runs, if so: its status and last output. */
  death(): string | undefined;
}

/** Starts a server, or several, and waits until clients can connect. */
export async function startServer(
  peer: Peer,
  toolsDir: string,
): Promise<Server> {
  if (peer.kind === "cluster") {
    const { Cluster } = await import("./cluster.ts");
    return await Cluster.start(peer, toolsDir);
  }
  const dir = await makeTempDir();
  const place: Place = { port: freePort(), dir, toolsDir };
  if (peer.config) {
    await Deno.writeTextFile(
      `${dir}/${peer.config.file}`,
      peer.config.text(place),
    );
  }
  await Deno.chmod(dir, 0o777); // a server that runs as nobody reads and writes here
  const child = new Child(peer.command(place), {
    name: peer.name,
    cwd: dir,
    unprivileged: peer.unprivileged ?? false,
  });
  const stop = async () => {
    await child.end();
    await removeTempDir(dir);
  };
  try {
    const conn = await connectWhenListening(place.port, child);
    conn.close();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port: place.port,
    ports: [place.port],
    pids: [child.pid],
    beside: [],
    listeningMs: performance.now() - child.startedAt,
    death: () => child.death,
    [Symbol.asyncDispose]: stop,
  };
}
