/**
 * The nemesis: what goes wrong with servers, to which of them, and when. The
 * faults are a table; a seed chooses among them.
 *
 * @module
 */
import { Chance } from "../fuzz/hostile_frames.ts";
import type { FaultProxy, Side } from "../tools/net/fault_proxy.ts";
import { type Cluster, NATS_SERVERS } from "./cluster.ts";
import type { NatsNode } from "./nats_node.ts";
import type { ParleyNode } from "./node.ts";
import { fill } from "./programs.ts";
import { fault, type World } from "./world.ts";

/** A fault that a server can have. */
interface Fault {
  /** Its kind of server. Faults of NATS, and some of Parley, need several. */
  readonly of: "parley" | "nats";
  readonly needsSeveral?: boolean;
  /** Whether no two servers may have it, because that loses what is stored. */
  readonly alone?: boolean;
  /** Begins it, for the server of that number. `chance` has what differs. */
  begin(cluster: Cluster, number: number, chance: Chance): Promise<void> | void;
  /** Ends it. */
  end(cluster: Cluster, number: number): Promise<void> | void;
}

/** A fault of a server of Parley. */
function ofParley(
  begin: (node: ParleyNode, chance: Chance) => Promise<void> | void,
  end: (node: ParleyNode) => Promise<void> | void,
): Fault {
  return {
    of: "parley",
    begin: ({ nodes }, number, chance) => begin(nodes[number]!, chance),
    end: ({ nodes }, number) => end(nodes[number]!),
  };
}

/** A fault of a server of NATS. */
function ofNats(
  begin: (node: NatsNode) => Promise<void> | void,
  end: (node: NatsNode) => Promise<void> | void,
): Fault {
  return {
    of: "nats",
    begin: ({ nats }, number) => begin(nats[number]!),
    end: ({ nats }, number) => end(nats[number]!),
  };
}

/**
 * A fault of what is between a server of Parley and NATS: nothing comes through,
 * or only what is on the way to one side, which is `client` for Parley.
 */
function ofLinks(lost?: Side): Fault {
  return {
    ...{ of: "parley", needsSeveral: true },
    begin: (cluster, number) =>
      cluster.linksOf(number).forEach((proxy) => proxy.stall(lost)),
    end: (cluster, number) =>
      cluster.linksOf(number).forEach((proxy) => proxy.flow()),
  };
}

/** The same of a server of NATS and the others: what it is sent, or sends, or both. */
function ofRoutes(lost: readonly ("heard" | "sent")[]): Fault {
  return {
    ...{ of: "nats", needsSeveral: true },
    begin(cluster, number) {
      for (const which of lost) {
        // To others it is a client; and they are, when they connect to it.
        const [to, from]: [Side, Side] = which === "heard"
          ? ["server", "client"]
          : ["client", "server"];
        cluster.routesTo(number).forEach((proxy) => proxy.stall(to));
        cluster.routesFrom(number).forEach((proxy) => proxy.stall(from));
      }
    },
    end: (cluster, number) =>
      [...cluster.routesTo(number), ...cluster.routesFrom(number)]
        .forEach((proxy) => proxy.flow()),
  };
}

/** Every fault. */
export const FAULTS = {
  /** As by `kill -9`, or when the computer loses its power but not its disk. */
  kill: ofParley((node) => node.kill(), (node) => node.up()),
  /** Its operator restarts it. */
  restart: ofParley((node) => node.end(), (node) => node.up()),
  /** Its computer stands still. */
  stop: ofParley(
    (node) => node.signal("SIGSTOP"),
    (node) => node.signal("SIGCONT"),
  ),
  /** Nothing comes through between it and its clients. */
  partition: ofParley((node) => stall(node), flow),
  /** It hears nothing of its clients, but they hear it. */
  deaf: ofParley((node) => stall(node, "server"), flow),
  /** Its clients hear nothing, but it hears them. */
  mute: ofParley((node) => stall(node, "client"), flow),
  /** All connections are reset. */
  reset: ofParley(
    (node) => proxiesOf(node).forEach((proxy) => proxy.resetAll()),
    () => {},
  ),
  /** Its disk is full. */
  disk: ofParley(
    (node) => fill(`${node.folder}/filler`),
    (node) => Deno.remove(`${node.folder}/filler`),
  ),
  /** Its clock jumps, by up to a day, and back. */
  clock: ofParley(
    (node, chance) => node.skew(chance.below(172_800) - 86_400),
    (node) => node.skew(0),
  ),
  /** It loses all that it stores, and gets it back from the others. */
  wipe: {
    ...ofParley(async (node) => {
      await node.kill();
      await node.wipe();
    }, (node) => node.up()),
    needsSeveral: true,
    alone: true,
  },
  /** It does not reach NATS, */
  "nats-link": ofLinks(),
  /** or NATS does not hear it, */
  "nats-deaf": ofLinks("server"),
  /** or it does not hear NATS. */
  "nats-mute": ofLinks("client"),
  /** As by `kill -9`. */
  "nats-kill": ofNats((node) => node.kill(), (node) => node.up()),
  /** Its computer stands still. */
  "nats-stop": ofNats(
    (node) => node.signal("SIGSTOP"),
    (node) => node.signal("SIGCONT"),
  ),
  /** It does not reach the others of NATS, nor they it; */
  "nats-split": ofRoutes(["heard", "sent"]),
  /** or it does not hear them, */
  "nats-split-deaf": ofRoutes(["heard"]),
  /** or they do not hear it. */
  "nats-split-mute": ofRoutes(["sent"]),
  /** The cable of its computer is pulled. */
  "nats-cut": {
    of: "nats",
    begin: ({ network }, number) => network?.cut(number),
    end: ({ network }, number) => network?.heal(number),
  },
  /** Its disk is full. JetStream is off then, until its operator restarts it. */
  "nats-disk": ofNats(
    (node) => fill(`${node.folder}/filler`),
    async (node) => {
      await Deno.remove(`${node.folder}/filler`);
      await node.kill();
      node.up();
    },
  ),
  /** It loses all that it stores. */
  "nats-wipe": {
    ...ofNats(async (node) => {
      await node.kill();
      await node.wipe();
    }, (node) => node.up()),
    alone: true,
  },
} satisfies Record<string, Fault>;

/** A name of {@linkcode FAULTS}. */
export type FaultName = keyof typeof FAULTS;

/** Whether a fault means something to so many servers. */
export function fits(name: FaultName, servers: number): boolean {
  const { of, needsSeveral = false }: Fault = FAULTS[name];
  return servers > 1 || of === "parley" && !needsSeveral;
}

/** One fault of one or more servers. */
export interface Strike {
  readonly fault: FaultName;
  /** When it begins, in milliseconds since the run began. */
  readonly at: number;
  readonly forMs: number;
  /** Numbers of the servers, of Parley or of NATS, from 0. */
  readonly nodes: readonly number[];
}

/** The shortest fault, and the shortest pause between two; in milliseconds. */
const LEAST_MS = 300;

/** Limit of the pause between two faults, in milliseconds. */
const PAUSE_MS = 4_000;

/** No fault takes longer, nor longer than this part of a run. */
const LONGEST_MS = 25_000;
const LONGEST_PART = 0.2;

/** What happens in a run, in the order of its beginning; the same for a seed. */
export function planOf(
  { seed, forMs, faults, nodes }: {
    readonly seed: number;
    readonly forMs: number;
    readonly faults: readonly FaultName[];
    /** How many servers there are. */
    readonly nodes: number;
  },
): Strike[] {
  const chance = new Chance(seed);
  const strikes: Strike[] = [];
  const longest = Math.min(LONGEST_MS, LONGEST_PART * forMs);
  let left: FaultName[] = []; // each fault comes before one comes again
  for (let at = 0; faults.length > 0;) {
    at += LEAST_MS + chance.below(PAUSE_MS);
    // Most are short: chance is taken twice.
    const part = chance.below(1_000) * chance.below(1_000) / 1e6;
    const lasts = Math.round(LEAST_MS + part * longest);
    if (at + lasts > forMs) break;
    if (left.length === 0) left = [...faults];
    const [fault] = left.splice(chance.below(left.length), 1);
    const { of, alone = false }: Fault = FAULTS[fault!];
    const struck = some(of === "nats" ? NATS_SERVERS : nodes, alone, chance);
    strikes.push({ fault: fault!, at, forMs: lasts, nodes: struck });
    at += lasts;
  }
  return strikes;
}

/** One of the servers, or some, or all. */
function some(nodes: number, alone: boolean, chance: Chance): number[] {
  const all = Array.from({ length: nodes }, (_, i) => i);
  const count = alone ? 1 : chance.pick([1, nodes, 1 + chance.below(nodes)]);
  while (all.length > count) all.splice(chance.below(all.length), 1);
  return all;
}

/** Does what the plan says; ends with all faults over. */
export async function strikeAll(
  world: World,
  cluster: Cluster,
  plan: readonly Strike[],
  seed: number,
): Promise<void> {
  const chance = new Chance(seed);
  for (const { fault: name, at, forMs, nodes } of plan) {
    await world.pause(at - world.now());
    const { of, begin, end }: Fault = FAULTS[name];
    const all = of === "nats" ? cluster.nats : cluster.nodes;
    const names = nodes.map((number) => all[number]!.name);
    const words = `${name} ${names.join(" ")}`;
    fault(world, words);
    await Promise.all(nodes.map((number) => begin(cluster, number, chance)));
    await world.pause(forMs);
    await Promise.all(nodes.map((number) => end(cluster, number)));
    fault(world, `${words}: over`);
  }
}

function proxiesOf({ proxy, webProxy }: ParleyNode): FaultProxy[] {
  return [proxy, webProxy];
}

function stall(node: ParleyNode, towards?: Side): void {
  for (const proxy of proxiesOf(node)) proxy.stall(towards);
}

function flow(node: ParleyNode): void {
  for (const proxy of proxiesOf(node)) proxy.flow();
}
