/**
 * Hours of a class in minutes:
 *
 *     deno task soak --minutes 5
 *     deno task soak --accounts --minutes 10
 *
 * Twenty clients, real but for their screens, chat in four rooms. Their connections
 * are cut, reset and stalled at random, while other clients connect and disconnect
 * in every abnormal way. In the first half the server is killed again and again;
 * in the second half it runs on, and its memory is watched.
 *
 * In the end every message must have been answered, shown to all members in one
 * order, and stored, each once. The server's memory must be what it was, and no
 * name, room or open file may be left. The exit code is 0 if all of this holds.
 *
 * With --accounts the users have accounts, up to three devices each, a moderator and
 * private rooms; class/class.ts says what holds then.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { setTimeout as sleep } from "node:timers/promises";
import { makeOwner, WAYS } from "../wire/limits/abnormal.ts";
import { checkSeen, enterAll, type Pupil } from "../tools/class_room.ts";
import { FaultProxy, newSeed, seeded } from "../tools/net/fault_proxy.ts";
import { Chance } from "../fuzz/hostile_frames.ts";
import { tempFolder } from "../tools/temp.ts";
import { WatchedServer } from "../tools/watched_server.ts";
import { runClass } from "./class/class.ts";

const USAGE =
  `Usage: deno task soak [--accounts] [--minutes NUMBER] [--seed NUMBER]

  --accounts        Forty users with accounts, devices and private rooms
  --minutes NUMBER  How long it takes, about (default 5)
  --seed NUMBER     Break the same things in the same order`;

/** The class with --accounts. */
const ACCOUNTS = {
  ...{ users: 40, devices: 3, privateRooms: 4 },
  ...{ pauseMs: 3_000, actions: 0, log: console.log },
};

const CLIENTS = 20;
const ROOMS = 4;

/** How many messages a client sends at a time, and how long it then pauses. */
const ROUND_MESSAGES = 10;
const ROUND_MS = 1_000;

/** How many bytes pass a connection between two cuts, on the average. */
const BYTES_PER_CUT = 200_000;

/** How often something larger breaks, on the average. */
const TROUBLE_MS = 3_000;

/** How many names the abnormal clients share. */
const STRANGERS = 100;

/** How much more memory may be in use at the end than in the middle, in bytes. */
const MAX_GROWTH_BYTES = 8 * 1024 * 1024;

/** What happened so far. */
interface Figures {
  messages: number;
  kills: number;
  strangers: number;
}

async function main(args: string[]): Promise<number> {
  const options = parseArgs(args, {
    string: ["minutes", "seed"],
    boolean: ["accounts"],
  });
  const minutes = Number(options["minutes"] ?? 5);
  const seed = Number(options["seed"] ?? newSeed());
  if (!(minutes > 0) || !Number.isInteger(seed) || options._.length > 0) {
    console.error(USAGE);
    return 2;
  }
  console.log(`seed ${seed}`);
  try {
    const forMs = minutes * 60_000;
    if (options["accounts"]) await runClass({ ...ACCOUNTS, seed, forMs });
    else await soak(forMs, seed);
  } catch (error) {
    console.error(error, `\nseed ${seed}`);
    return 1;
  }
  console.log("Everything held");
  return 0;
}

/** See the top of the file; for about so many milliseconds. */
async function soak(forMs: number, seed: number): Promise<void> {
  using folder = tempFolder();
  await using world = await World.begin(`${folder.path}/chat.db`, seed);
  const { figures, proxy } = world;
  {
    await using school = new AsyncDisposableStack();
    const pupils = await enterAll(
      { port: proxy.port, clients: CLIENTS, rooms: ROOMS },
      school,
    );
    await world.live(forMs / 2, pupils, { kills: true });
    await world.tell("in the middle");
    const before = await world.server.usedBytes();
    await world.live(forMs / 2, pupils, { kills: false });
    await world.tell("at the end");
    const after = await world.server.usedBytes();
    const messages = figures.messages / CLIENTS;
    const asked = { clients: CLIENTS, rooms: ROOMS, messages };
    await checkSeen(pupils, asked, proxy.target);
    assert(after - before < MAX_GROWTH_BYTES, "memory has grown");
  }
  await world.checkNothingLeft();
}

/** A server that can be killed, the proxy before it, and the abnormal clients. */
class World implements AsyncDisposable {
  readonly figures: Figures = { messages: 0, kills: 0, strangers: 0 };
  readonly proxy: FaultProxy;
  server: WatchedServer;
  readonly #db: string;
  readonly #chance: Chance;
  #filesBefore = 0;

  private constructor(
    server: WatchedServer,
    proxy: FaultProxy,
    { db, seed }: { db: string; seed: number },
  ) {
    this.server = server;
    this.proxy = proxy;
    this.#db = db;
    this.#chance = new Chance(seed);
  }

  static async begin(db: string, seed: number): Promise<World> {
    const server = await startServer(db);
    await makeOwner(server.port);
    const proxy = await FaultProxy.open({
      target: server.port,
      random: seeded(seed),
    });
    const world = new World(server, proxy, { db, seed });
    world.#filesBefore = await server.openFiles();
    return world;
  }

  /** Runs clients and faults for so long; then there are no more faults. */
  async live(
    forMs: number,
    pupils: readonly Pupil[],
    { kills }: { kills: boolean },
  ): Promise<void> {
    const end = performance.now() + forMs;
    const isOver = () => performance.now() >= end;
    this.proxy.bytesPerCut = BYTES_PER_CUT;
    this.proxy.cutAll(); // from now on, all connections are cut some time
    const talking = this.#talk(pupils, isOver);
    await Promise.all([this.#visit(isOver), this.#break(isOver, kills)]);
    this.proxy.bytesPerCut = Infinity;
    this.proxy.cutAll(); // those that would still be cut
    await talking;
  }

  /** Prints the figures, and what the server has now. */
  async tell(when: string): Promise<void> {
    const { messages, kills, strangers } = this.figures;
    const used = await this.server.usedBytes() / 2 ** 20;
    const resident = await this.server.residentBytes() / 2 ** 20;
    console.log(
      `${when}: ${messages} messages said, ${this.proxy.cuts} connections cut, ` +
        `${kills} times the server killed, ${strangers} strangers; the server ` +
        `uses ${used.toFixed(1)} MiB (${resident.toFixed(0)} MiB resident) ` +
        `and ${await this.server.openFiles()} files`,
    );
  }

  /** Fails unless the server is as if no client had ever connected. */
  async checkNothingLeft(): Promise<void> {
    await this.server.untilNobodyIsHere();
    while (await this.server.openFiles() > this.#filesBefore) {
      await this.server.ask("rooms"); // it may still be closing connections
    }
    const rooms = await this.server.ask("rooms");
    const inside = rooms.filter((room) => !/^ {2}#\S+ +0$/.test(room));
    assertEquals(inside, [], "nobody is in a room");
    const code = await this.server.stop();
    assertEquals([code, this.server.errors], [0, ""], "it ended well");
    assertEquals(this.server.foul, undefined, "its log is harmless");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }

  /** Each client sends the same number of messages, whatever happens meanwhile. */
  async #talk(pupils: readonly Pupil[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await Promise.all(pupils.map((pupil) => pupil.talk(ROUND_MESSAGES)));
      this.figures.messages += pupils.length * ROUND_MESSAGES;
      await sleep(ROUND_MS);
    }
  }

  /** Connects and disconnects clients in every abnormal way. */
  async #visit(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const number = this.figures.strangers++;
      const [, act] = WAYS[number % WAYS.length]!;
      // A missing or killed server does not matter to them.
      await act(this.proxy.target, `stranger${number % STRANGERS}`)
        .catch(() => {});
    }
  }

  async #break(isOver: () => boolean, kills: boolean): Promise<void> {
    const ways = [
      () => this.proxy.cutAll(),
      () => this.proxy.resetAll(),
      () => this.proxy.endTowards("server"),
      () => this.#stall(),
      ...(kills ? [() => this.#kill()] : []),
    ];
    while (!isOver()) {
      await sleep(this.#chance.below(2 * TROUBLE_MS));
      await this.#chance.pick(ways)();
    }
  }

  async #stall(): Promise<void> {
    this.proxy.stall();
    await sleep(this.#chance.below(TROUBLE_MS));
    this.proxy.flow();
  }

  async #kill(): Promise<void> {
    assertEquals(this.server.errors, "", "what it said before");
    await this.server[Symbol.asyncDispose]();
    this.figures.kills++;
    this.server = await startServer(this.#db);
    this.proxy.target = this.server.port;
    this.#filesBefore = await this.server.openFiles();
  }
}

function startServer(db: string): Promise<WatchedServer> {
  return WatchedServer.start(["--no-limits", "--db", db]);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
