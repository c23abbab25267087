/**
 * One run: servers, clients of all kinds, the nemesis among them, and in the end
 * what everyone has, for the checker.
 *
 * @module
 */
import { headerOf, RawClient } from "../tools/net/raw_client.ts";
import { tempFolder } from "../tools/temp.ts";
import { ClassicTalker } from "./clients/classic.ts";
import { Operator } from "./clients/operator.ts";
import { Races } from "./clients/racer.ts";
import { Talker } from "./clients/talker.ts";
import {
  emptyHistory,
  type History,
  type ServerState,
} from "./check/history.ts";
import { Cluster } from "./cluster.ts";
import { equallyFar, inspect } from "./inspect.ts";
import { type FaultName, planOf, strikeAll } from "./nemesis.ts";
import { sending, type World } from "./world.ts";

/** What a run is made of; the same makes clients and nemesis do the same. */
export interface RunOptions {
  readonly seed: number;
  /** How long clients and the nemesis act, in milliseconds. */
  readonly forMs: number;
  readonly servers: number;
  readonly clients: number;
  readonly faults: readonly FaultName[];
  /** The program of NATS, if there are several servers. */
  readonly nats: string | undefined;
  /** If its `clock` is among the faults. */
  readonly clockLibrary: string | undefined;
}

/** Of six clients three are of the terminal's kind, two pages, one has two sockets. */
const KINDS = ["terminal", "page", "terminal", "page", "terminal", "classic"];

/** Every so many clients, one creates an account, or may be banned. */
const ACCOUNTS_EVERY = 5;
const BANNABLE_EVERY = 7;

/** The same of those that go where their server tells them to, if it ends. */
const FOLLOWS_EVERY = 4;

const ROOMS = ["#default", "#red", "#green", "#blue", "#race"];

/** The room of the races is for racers alone. */
const TALK_ROOMS = ROOMS.slice(0, -1);

/** Bytes of a server's disk, if it is to be filled. */
const DISK_BYTES = 64 * 2 ** 20;
const NATS_DISK_BYTES = 96 * 2 ** 20;

/** The last message of a run, to all: what came before it is there when it is. */
const LAST = "the last message";

/** Runs once, and gives the history. */
export async function run(options: RunOptions): Promise<History> {
  using folder = tempFolder();
  const { seed, forMs, servers, nats, faults, clockLibrary } = options;
  const world = new RunningWorld(options);
  const trouble = world.trouble.bind(world);
  {
    await using cluster = await Cluster.start({
      ...{ servers, nats, folder: folder.path, trouble },
      clockLibrary: faults.includes("clock") ? clockLibrary : undefined,
      diskBytes: faults.includes("disk") ? DISK_BYTES : undefined,
      natsDiskBytes: faults.includes("nats-disk") ? NATS_DISK_BYTES : undefined,
      hasNetwork: faults.includes("nats-cut"),
    });
    world.nodes = cluster.nodes;
    const plan = planOf({ seed, forMs, faults, nodes: servers });
    const strike = () => strikeAll(world, cluster, plan, seed);
    await play(world, seed, strike).catch((error) =>
      trouble("the run", `${error.stack}`)
    );
    for (const node of cluster.nodes) await node.end();
  }
  return world.history;
}

/** Clients act while the nemesis does; then all of them settle. */
async function play(
  world: RunningWorld,
  seed: number,
  nemesis: () => Promise<void>,
): Promise<void> {
  await using parts = new AsyncDisposableStack();
  const { talkers, classics } = crowd(world, seed);
  for (const one of talkers) parts.use(one);
  for (const one of classics) parts.use(one);
  const races = new Races(world, seed + 1);
  const operator = new Operator(world, seed + 2, world.bannable);
  world.begin();
  const living = [...talkers, races, operator].map((one) => one.live());
  const classicsLiving = classics.map((one) => one.live());
  await nemesis();
  await world.over;
  await Promise.all(living);
  await Promise.all(talkers.map((one) => one.settle()));
  const upTo = await sayLast(world);
  await Promise.all(
    [...talkers, ...classics].map((one) => one.saw(LAST, upTo)),
  );
  const states: ServerState[] = [];
  for (const node of world.nodes) {
    try {
      states.push(await inspect(node, ROOMS, upTo));
    } catch (error) {
      world.trouble(node.name, `cannot be inspected: ${error}`);
    }
  }
  const hashes = world.nodes.length > 1 ? await hashesOf(world) : new Map();
  world.history.servers.push(
    ...states.map((state) => ({ ...state, hash: hashes.get(state.name) })),
  );
  for (const one of classics) one[Symbol.dispose]();
  await Promise.all(classicsLiving);
}

/** The hashes of the log, by servers; none if they do not all read it up to its end. */
async function hashesOf(world: RunningWorld): Promise<Map<string, string>> {
  try {
    return await equallyFar(world.nodes);
  } catch (error) {
    world.trouble("all servers", `${error}`);
    return new Map();
  }
}

/** Everyone who talks; their names are in `world` too. */
function crowd(world: RunningWorld, seed: number) {
  const talkers: Talker[] = [];
  const classics: ClassicTalker[] = [];
  for (let number = 0; number < world.options.clients; number++) {
    const kind = KINDS[number % KINDS.length]!;
    const name = `${kind}${number}`;
    const own = seed + 100 + number;
    const isBannable = number % BANNABLE_EVERY === 0;
    const signsUp = number % ACCOUNTS_EVERY === 0 && !isBannable;
    if (kind === "classic") classics.push(new ClassicTalker(world, name, own));
    else if (kind === "terminal" || kind === "page") {
      const follows = number % FOLLOWS_EVERY === 0;
      const options = { name, kind, seed: own, signsUp, follows } as const;
      talkers.push(new Talker(world, options));
      if (isBannable) world.bannable.push(name);
    }
    world.people.push(name);
  }
  return { talkers, classics };
}

/** Sends the last message; gives its id. */
async function sayLast(world: World): Promise<number> {
  const name = "closer";
  const node = world.nodes.find((one) => one.runs && !one.hasEnded);
  const send = sending(world, {
    ...{ session: name, name, to: "ALL", text: LAST },
  });
  using client = await RawClient.enter(node!.port, name);
  await client.say("ALL", LAST);
  const id = Number(headerOf(await client.next("SENT"), "Id"));
  send.outcome = { kind: "done", at: world.now(), id };
  return id;
}

/** The {@linkcode World} of one run. */
class RunningWorld implements World {
  readonly history = emptyHistory();
  readonly rooms = TALK_ROOMS;
  readonly people: string[] = [];
  readonly bannable: string[] = [];
  readonly options: RunOptions;
  readonly over: Promise<void>;
  readonly now: () => number = () => performance.now() - this.#began;
  nodes: World["nodes"] = [];
  isOver = false;
  #began = performance.now();
  readonly #finish: () => void;

  constructor(options: RunOptions) {
    this.options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.over, this.#finish] = [promise, resolve];
  }

  /** From now on clients act, for as long as the options say. */
  begin(): void {
    this.#began = performance.now();
    setTimeout(() => {
      this.isOver = true;
      this.#finish();
    }, this.options.forMs);
  }

  async pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.max(0, ms));
    await Promise.race([promise, this.over]);
    clearTimeout(timer);
  }

  trouble(who: string, what: string): void {
    this.history.troubles.push({ at: this.now(), who, what });
  }
}
