/**
 * How long users of several servers cannot talk when a server is killed: one of
 * Parley, with clients that move to another one, and the one of NATS that leads
 * the log.
 *
 * The clients are ours: the stack that the terminal and the page run, with its real
 * pauses.
 *
 * @module
 */
import { ReconnectingConnection } from "../core/net/reconnecting.ts";
import { ConnectionError } from "../core/net/connection_error.ts";
import { ChatSession } from "../core/session.ts";
import type { SessionView } from "../core/session_view.ts";
import { SignIn } from "../core/sign_in.ts";
import type { Peer } from "./peers/peers.ts";
import { Cluster } from "./peers/cluster.ts";

const ROOM = "#room";

/** How many clients there are on each server. */
const CLIENTS = 10;

/** After so long it is an error, in milliseconds. */
const LIMIT_MS = 60_000;

/** From the kill to the moment when all clients have talked, in milliseconds. */
export interface Failover {
  /** A server of Parley: its own clients. */
  readonly movedMs: number;
  /** A server of Parley: the clients of the others. */
  readonly stayedMs: number;
  /** The server of NATS that leads the log: all clients. */
  readonly leaderMs: number;
}

/** Starts servers and clients, and kills one server of each kind. */
export async function measureFailover(
  peer: Peer,
  toolsDir: string,
): Promise<Failover> {
  await using scope = new AsyncDisposableStack();
  const cluster = scope.use(await Cluster.start(peer, toolsDir));
  const [killed, reader] = [0, 1];
  const talkers = cluster.ports.map((port, server) =>
    Array.from({ length: CLIENTS }, (_, number) => {
      return scope.use(new Talker(`user${server}x${number}`, port));
    })
  );
  await Promise.all(talkers.flat().map((one) => one.enter()));
  const watcher = talkers[reader]![0]!; // there are more servers than one
  const talk = (ones: readonly Talker[], what: string) =>
    Promise.all(ones.map(async (one) => {
      const text = `${one.name}: ${what}`;
      one.say(text);
      await watcher.saw(text);
      return performance.now();
    }));
  await talk(talkers.flat(), "before");
  const leader = await cluster.nats.leaderOf("PARLEY_parley");
  const leaderAt = performance.now();
  await cluster.nats.kill(leader);
  const leaderMs = Math.max(...await talk(talkers.flat(), "led"));
  cluster.nats.run(leader);
  const killedAt = performance.now();
  cluster.kill(killed);
  const others = talkers.filter((_, server) => server !== killed).flat();
  const [moved, stayed] = await Promise.all([
    talk(talkers[killed]!, "moved"),
    talk(others, "stayed"),
  ]);
  return {
    movedMs: Math.max(...moved) - killedAt,
    stayedMs: Math.max(...stayed) - killedAt,
    leaderMs: leaderMs - leaderAt,
  };
}

/** A client. Dispose to end it. */
class Talker implements SessionView, AsyncDisposable {
  readonly name: string;
  readonly #server: ReconnectingConnection;
  readonly #chat: ChatSession;
  readonly #running: Promise<void>;
  readonly #registered = Promise.withResolvers<void>();
  readonly #seen = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  constructor(name: string, port: number) {
    this.name = name;
    const home = { hostname: "127.0.0.1", port, text: `127.0.0.1:${port}` };
    const server = this.#server = new ReconnectingConnection({
      dial: (_signal, other = home) => Deno.connect(other).catch(passing),
      home: { place: home, way: "tcp" },
    });
    this.#chat = new ChatSession({
      ...{ server, signIn: new SignIn(), view: this, me: name },
    });
    this.#running = this.#chat.run(() => {});
    this.#running.catch((error) => this.#registered.reject(error));
  }

  /** Registers, and joins the room. */
  async enter(): Promise<void> {
    await this.#registered.promise;
    await this.#chat.join(ROOM, () => {});
  }

  /** Sends to the room, as soon as it can. */
  say(text: string): void {
    // Who waits for the text is told what becomes of it.
    this.#server.request("SEND", [ROOM], {}, text).catch(() => {});
  }

  /**
   * Resolves when it was shown that text.
   *
   * @throws {Error} After a minute.
   */
  async saw(text: string): Promise<void> {
    if (this.#seen.has(text)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const why = new Error(`${this.name} was not shown "${text}"`);
    const timer = setTimeout(() => reject(why), LIMIT_MS);
    this.#waiting.set(text, resolve);
    await promise.finally(() => clearTimeout(timer));
  }

  registered(): void {
    this.#registered.resolve();
  }

  message({ text }: Parameters<SessionView["message"]>[0]): void {
    this.#seen.add(text);
    this.#waiting.get(text)?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await this.#running.catch(() => {}); // it was told to whoever entered it
  }

  lost(): void {}
  slowed(): void {}
  presence(): void {}
  notice(): void {}
  call(): void {}
  joined(): void {}
  expelled(): void {}
  restarted(): void {}
  missedDeleted(): void {}
  missedMore(): void {}
  accountLost(): void {}
}

/** It is tried again. */
function passing(cause: unknown): never {
  const options = { passing: true, cause };
  throw new ConnectionError("lost", "Cannot reach the server", options);
}
