/**
 * What is measured: one entry of {@linkcode CASES} for each line of the report.
 *
 * A case measures one server once, from starting it to a few numbers; running it
 * several times, in turn with the other servers, is the business of `main.ts`.
 *
 * @module
 */
import { type Load, type LoadResult, runLoad } from "./load/load.ts";
import { EMPTY, type Peer } from "./peers/peers.ts";
import { type Server, startServer } from "./peers/start.ts";

/** What can be measured, in the units the names say. */
export interface Sample {
  /** Messages that arrived, in millions a second, over all receivers. */
  deliveriesMPerS?: number;
  /** CPU seconds of the server for a million deliveries. */
  cpuSPerMillion?: number;
  /** The same of what the servers need: the three servers of NATS. */
  besideCpuSPerMillion?: number;
  /** Messages that the server has taken, in thousands a second. */
  acceptedKPerS?: number;
  /** CPU time of the load generator for each second: near 1 it is the limit. */
  loadShare?: number;
  p50Us?: number;
  p99Us?: number;
  p999Us?: number;
  memoryMb?: number;
  kbPerConnection?: number;
  /** Until all are registered, or {@linkcode ARRIVAL_LIMIT_MS}. */
  readyMs?: number;
  readyConnections?: number;
  joinedMs?: number;
  synDrops?: number;
  cpuMs?: number;
  listeningMs?: number;
  answerMs?: number;
  /** See {@linkcode Failover}. */
  movedMs?: number;
  stayedMs?: number;
  leaderMs?: number;
}

export type Metric = keyof Sample;

/** One line of work. */
export interface Case {
  readonly id: string;
  readonly title: string;
  /** What the table shows. */
  readonly metrics: readonly Metric[];
  /** Whether three servers with one chat take part, too. */
  readonly several?: boolean;
  /** Which of the servers take part; all of them if absent. */
  choose?(peers: readonly Peer[]): readonly Peer[];
  /** Fewer runs than asked for, where one takes long or all are alike. */
  readonly maxRuns?: number;
  /** Not part of `--quick`. */
  readonly long?: boolean;
  measure(peer: Peer, setting: Setting): Promise<Sample>;
}

/** What all measurements share. */
export interface Setting {
  readonly toolsDir: string;
  readonly quick: boolean;
}

/** A connection that is not registered by then counts as not ready. */
const ARRIVAL_LIMIT_MS = 10_000;

/** Until three servers, each with a third of the work, are as fast as they get. */
const WARM_MS = 4_000;

/** With several servers, what is ahead is on its way through the log for longer. */
const BATCHES_WINDOW = 4_096;

const THROUGHPUT = [
  "deliveriesMPerS",
  "cpuSPerMillion",
  "loadShare",
  "memoryMb",
] as const;

const isServer = (peer: Peer) => peer.kind !== "relay";

/** Whether it talks TCP alone: what carries the rest would tell nothing new. */
const isBare = ({ protocol }: Peer) => !protocol.transport;

export const CASES: readonly Case[] = [
  ...[10, 100, 1_000].map((receivers) => ({
    id: `receivers-${receivers}`,
    title: `One sender, ${receivers} receivers, 100-byte messages`,
    metrics: THROUGHPUT,
    measure: flood({ rooms: 1, members: receivers + 1, senders: 1 }),
  })),
  {
    id: "rooms",
    title: "100 rooms of 10, all members sending, 100-byte messages",
    metrics: THROUGHPUT,
    choose: (peers) => peers.filter(isBare),
    measure: flood({ rooms: 100, members: 10, senders: 10 }),
  },
  {
    id: "steady",
    title: "1,000 messages a second to 100 receivers",
    metrics: [
      "cpuSPerMillion",
      "p50Us",
      "p99Us",
      "p999Us",
      "loadShare",
      "deliveriesMPerS",
    ],
    measure: steady(100, 1_000),
  },
  {
    id: "idle",
    title: "Idle connections, in rooms of 100",
    metrics: ["kbPerConnection", "memoryMb"],
    maxRuns: 1,
    choose: (peers) => peers.filter(isServer),
    measure: measureIdle,
  },
  {
    id: "arrive",
    title:
      "1,000 connections at once, until all are registered and in one room",
    metrics: ["readyMs", "readyConnections", "synDrops", "cpuMs"],
    measure: measureArrival,
  },
  {
    id: "join",
    title: "1,000 registered connections join one room at once",
    metrics: ["joinedMs"],
    choose: (peers) => peers.filter(isBare),
    measure: measureJoining,
  },
  ...[16, 256, 1_024, 8_192, 65_536].map((bodyBytes) => ({
    id: `body-${bodyBytes}`,
    title: `One sender, 100 receivers, bodies of ${bodyBytes} bytes`,
    metrics: THROUGHPUT,
    choose: (peers: readonly Peer[]) => {
      return peers.filter((peer) => {
        return isBare(peer) && peer.name !== "relay (Deno)" &&
          bodyBytes <= (peer.protocol.maxBodyBytes ?? bodyBytes);
      });
    },
    maxRuns: 2,
    long: bodyBytes !== 1_024,
    measure: flood({ rooms: 1, members: 101, senders: 1, bodyBytes }),
  })),
  {
    id: "start",
    title: "From starting the process to listening, and to the first answer",
    metrics: ["listeningMs", "answerMs"],
    choose: (peers) => {
      return [...peers.filter((one) => isBare(one) && isServer(one)), EMPTY];
    },
    measure: measureStart,
  },
  ...[10, 100, 1_000, 10_000].map((receivers) => ({
    id: `growth-${receivers}`,
    title: `Growth: ${receivers} receivers (latency at 50,000 deliveries/s)`,
    metrics: [...THROUGHPUT, "p50Us", "p99Us"] as const,
    choose: (peers: readonly Peer[]) => {
      return peers.filter((peer) => isBare(peer) && peer.kind === "parley");
    },
    maxRuns: 2,
    long: true,
    measure: measureGrowth(receivers),
  })),
  {
    id: "cluster-steady",
    title: "1,000 messages a second to 100 receivers on three servers",
    metrics: [
      "cpuSPerMillion",
      "besideCpuSPerMillion",
      "p50Us",
      "p99Us",
      "p999Us",
      "loadShare",
    ],
    several: true,
    long: true,
    choose: aloneAndSeveral,
    measure: steady(100, 1_000, { warmMs: WARM_MS, measureMs: 4_000 }),
  },
  ...[100, 12].map((members) => ({
    id: `cluster-batches-${members}`,
    title: `12 of ${members} members on three servers send, 100-byte messages`,
    metrics: [
      "acceptedKPerS",
      "cpuSPerMillion",
      "besideCpuSPerMillion",
      "loadShare",
      "memoryMb",
    ] as const,
    several: true,
    long: true,
    choose: aloneAndSeveral,
    measure: flood({
      rooms: 1,
      members,
      senders: 12,
      window: BATCHES_WINDOW,
      warmMs: WARM_MS,
    }),
  })),
  {
    id: "cluster-failover",
    title: "A server is killed: until all of 10 clients of each have talked",
    metrics: ["movedMs", "stayedMs", "leaderMs"],
    several: true,
    long: true,
    choose: (peers) => peers.filter(({ kind }) => kind === "cluster"),
    async measure(peer, { toolsDir }) {
      const { measureFailover } = await import("./failover.ts");
      return { ...await measureFailover(peer, toolsDir) };
    },
  },
];

/** One server with a file, and several: those have one, too. */
function aloneAndSeveral(peers: readonly Peer[]): readonly Peer[] {
  return peers.filter(({ name }) => /^parley-(stored|cluster)/.test(name));
}

/** As fast as the messages are taken. */
function flood(load: Omit<Load, "limitS">): Case["measure"] {
  return async (peer, { toolsDir, quick }) => {
    await using server = await startServer(peer, toolsDir);
    const result = await runLoad(
      { server, protocol: peer.protocol, toolsDir },
      {
        warmMs: quick ? 500 : 1_000,
        measureMs: quick ? 500 : 1_500,
        limitS: 60,
        atOnce: peer.connectingAtOnce ?? 1_000,
        ...load,
      },
    );
    return toThroughput(result);
  };
}

/** At a fixed rate that every server can follow. */
function steady(
  receivers: number,
  rate: number,
  times = { warmMs: 1_000, measureMs: 3_000 },
): Case["measure"] {
  return async (peer, { toolsDir, quick }) => {
    await using server = await startServer(peer, toolsDir);
    const result = await runLoad(
      { server, protocol: peer.protocol, toolsDir },
      {
        rooms: 1,
        members: receivers + 1,
        senders: 1,
        rate,
        ...(quick ? { warmMs: 500, measureMs: 1_000 } : times),
        limitS: 60,
        atOnce: peer.connectingAtOnce ?? 1_000,
      },
    );
    const { p50Us, p99Us, p999Us } = result;
    return { ...toThroughput(result), p50Us, p99Us, p999Us };
  };
}

function measureGrowth(receivers: number): Case["measure"] {
  const load = {
    rooms: 1,
    members: receivers + 1,
    senders: 1,
    settleMs: 1_000,
  };
  return async (peer, setting) => {
    const throughput = await flood(load)(peer, setting);
    const paced = await steady(receivers, 50_000 / receivers)(peer, setting);
    return { ...paced, ...throughput };
  };
}

function toThroughput(result: LoadResult): Sample {
  const { messages, deliveries, elapsedS, endPssKb } = result;
  const { serverCpuS, besideCpuS, loadCpuS } = result;
  return {
    acceptedKPerS: messages / elapsedS / 1e3,
    deliveriesMPerS: deliveries / elapsedS / 1e6,
    cpuSPerMillion: serverCpuS / deliveries * 1e6,
    besideCpuSPerMillion: besideCpuS / deliveries * 1e6,
    loadShare: loadCpuS / elapsedS,
    memoryMb: endPssKb / 1024,
  };
}

async function measureIdle(
  peer: Peer,
  { toolsDir, quick }: Setting,
): Promise<Sample> {
  await using server = await startServer(peer, toolsDir);
  const result = await runLoad({ server, protocol: peer.protocol, toolsDir }, {
    rooms: quick ? 20 : 100,
    members: 100,
    senders: 0,
    settleMs: quick ? 1_000 : 3_000,
    limitS: 60,
    atOnce: peer.connectingAtOnce ?? 1_000,
  });
  failOnLost(result);
  const grownKb = result.readyPssKb - result.startPssKb;
  return {
    kbPerConnection: grownKb / result.connections,
    memoryMb: result.readyPssKb / 1024,
  };
}

async function measureArrival(
  peer: Peer,
  { toolsDir }: Setting,
): Promise<Sample> {
  await using server = await startServer(peer, toolsDir);
  const drops = await countSynDrops();
  const result = await runLoad({ server, protocol: peer.protocol, toolsDir }, {
    rooms: 1,
    members: 1_000,
    senders: 0,
    connectLimitMs: ARRIVAL_LIMIT_MS,
    limitS: 60,
    atOnce: 1_000,
  });
  failOnLost(result);
  return {
    readyMs: result.connectMs,
    readyConnections: result.ready,
    synDrops: await countSynDrops() - drops,
    cpuMs: result.connectCpuS * 1_000,
  };
}

async function measureJoining(
  peer: Peer,
  { toolsDir }: Setting,
): Promise<Sample> {
  await using server = await startServer(peer, toolsDir);
  const result = await runLoad({ server, protocol: peer.protocol, toolsDir }, {
    rooms: 1,
    members: 1_000,
    senders: 0,
    limitS: 60,
    atOnce: peer.connectingAtOnce ?? 1_000,
    joinApart: true,
  });
  failOnLost(result);
  return { joinedMs: result.joinMs };
}

async function measureStart(
  peer: Peer,
  { toolsDir }: Setting,
): Promise<Sample> {
  const startedAt = performance.now();
  await using server = await startServer(peer, toolsDir);
  const { listeningMs } = server;
  if (!peer.protocol.hello) return { listeningMs };
  await waitForWelcome(peer, server);
  return { listeningMs, answerMs: performance.now() - startedAt };
}

async function waitForWelcome(peer: Peer, { port }: Server): Promise<void> {
  const { hello, welcome } = peer.protocol;
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(
    new TextEncoder().encode(hello.replaceAll("{name}", "ubench")),
  );
  const buffer = new Uint8Array(65_536);
  for (let heard = ""; !heard.includes(welcome);) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error(`Cannot register: heard "${heard}"`);
    heard += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

function failOnLost({ failed, connections }: LoadResult): void {
  if (!failed) return;
  throw new Error(`${failed} of ${connections} connections failed`);
}

/** How often a full accept queue has dropped a SYN so far, on this machine. */
async function countSynDrops(): Promise<number> {
  const text = await Deno.readTextFile("/proc/net/netstat");
  const [names = [], values = []] = text.split("\n")
    .filter((line) => line.startsWith("TcpExt:"))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("ListenDrops")] ?? 0);
}
