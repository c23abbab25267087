/**
 * The nemesis: what goes wrong with servers, to which of them, and when. The
 * faults are a table; a seed chooses among them.
 *
 * @module
 */
import { Chance } from "../fuzz/hostile_frames.ts";
import type { ParleyNode } from "./node.ts";
import { fault, type World } from "./world.ts";

/** A fault that a server can have. */
interface Fault {
  /** Begins it. `chance` has what differs from time to time. */
  begin(node: ParleyNode, chance: Chance): Promise<void> | void;
  /** Ends it. */
  end(node: ParleyNode): Promise<void> | void;
}

/** Every fault. */
export const FAULTS = {
  /** As by `kill -9`, or when the computer loses its power but not its disk. */
  kill: { begin: (node) => node.kill(), end: (node) => node.up() },
  /** Its operator restarts it. */
  restart: { begin: (node) => node.end(), end: (node) => node.up() },
  /** Its computer stands still. */
  stop: {
    begin: (node) => node.signal("SIGSTOP"),
    end: (node) => node.signal("SIGCONT"),
  },
  /** Nothing comes through between it and its clients. */
  partition: {
    begin: (node) => proxiesOf(node).forEach((proxy) => proxy.stall()),
    end: flow,
  },
  /** It hears nothing of its clients, but they hear it. */
  deaf: {
    begin: (node) => proxiesOf(node).forEach((proxy) => proxy.stall("server")),
    end: flow,
  },
  /** Its clients hear nothing, but it hears them. */
  mute: {
    begin: (node) => proxiesOf(node).forEach((proxy) => proxy.stall("client")),
    end: flow,
  },
  /** All connections are reset. */
  reset: {
    begin: (node) => proxiesOf(node).forEach((proxy) => proxy.resetAll()),
    end: () => {},
  },
  /** Its disk is full. */
  disk: {
    begin: (node) => fill(`${node.folder}/filler`),
    end: (node) => Deno.remove(`${node.folder}/filler`),
  },
  /** Its clock jumps, by up to a day, and back. */
  clock: {
    begin: (node, chance) => node.skew(chance.below(172_800) - 86_400),
    end: (node) => node.skew(0),
  },
} as const satisfies Record<string, Fault>;

/** A name of {@linkcode FAULTS}. */
export type FaultName = keyof typeof FAULTS;

/** One fault of one or more servers. */
export interface Strike {
  readonly fault: FaultName;
  /** When it begins, in milliseconds since the run began. */
  readonly at: number;
  readonly forMs: number;
  /** Numbers of the servers, from 0. */
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
    strikes.push({
      fault: fault!,
      at,
      forMs: lasts,
      nodes: some(nodes, chance),
    });
    at += lasts;
  }
  return strikes;
}

/** One of the servers, or some, or all. */
function some(nodes: number, chance: Chance): number[] {
  const all = Array.from({ length: nodes }, (_, i) => i);
  const count = chance.pick([1, nodes, 1 + chance.below(nodes)]);
  while (all.length > count) all.splice(chance.below(all.length), 1);
  return all;
}

/** Does what the plan says; ends with all faults over. */
export async function strikeAll(
  world: World,
  plan: readonly Strike[],
  seed: number,
): Promise<void> {
  const chance = new Chance(seed);
  for (const { fault: name, at, forMs, nodes } of plan) {
    await world.pause(at - world.now());
    const targets = nodes.map((number) => world.nodes[number]!);
    const words = `${name} ${targets.map((one) => one.name).join(" ")}`;
    const { begin, end }: Fault = FAULTS[name];
    fault(world, words);
    await Promise.all(targets.map((node) => begin(node, chance)));
    await world.pause(forMs);
    await Promise.all(targets.map((node) => end(node)));
    fault(world, `${words}: over`);
  }
}

function proxiesOf({ proxy, webProxy }: ParleyNode) {
  return [proxy, webProxy];
}

function flow(node: ParleyNode): void {
  for (const proxy of proxiesOf(node)) proxy.flow();
}

/** Writes until the disk has no more room. */
async function fill(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  for (let size = 65_536; size >= 1;) {
    try {
      await file.write(new Uint8Array(size));
    } catch {
      size >>= 1;
    }
  }
}
