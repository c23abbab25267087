/**
 * One attack on one server: the people alone, then beside the foe.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

import { BenchServer } from "../peers/bench_server.ts";
import { freePort } from "../peers/processes.ts";
import { type Disturbance, DisturbanceMeter } from "./disturbance.ts";
import { addressesOf, FoeProcess } from "./foe_process.ts";
import type { Foe, Tally } from "./foes/foe.ts";
import type { Transport } from "./foes/link.ts";
import { type Noticed, People } from "./people.ts";
import type { Databases } from "./prepared.ts";
import {
  makeAccounts,
  neighbourSignsIn,
  newcomers,
  owners,
  type Visitors,
  type Visits,
} from "./visitors.ts";

/** Which attack. */
export interface Cell {
  readonly foe: Foe;
  readonly transport: Transport;
  /** From how many addresses. */
  readonly addresses: number;
}

/** How long each part takes, in milliseconds. */
export interface Times {
  readonly settle: number;
  readonly alone: number;
  readonly beside: number;
}

/** What all attacks on a server share. */
export interface Setting {
  /** The server.ts to run. */
  readonly script: string;
  readonly databases: Databases;
  readonly times: Times;
  /** The machine has other work: the server runs before it, the foes beside it. */
  readonly busy: boolean;
  /** Options of V8 for the server; empty for none. */
  readonly v8Flags: string;
}

/** What is measured in one part. */
export interface Part {
  readonly noticed: Noticed;
  readonly newcomers: Visits;
  readonly owners: Visits | undefined;
  /** The server's memory at its highest. */
  readonly peakBytes: number;
  readonly disturbance: Disturbance;
}

/** What one attack did. */
export interface Result {
  readonly alone: Part;
  readonly beside: Part;
  readonly foe: Readonly<Tally>;
  /** By how much the server's log and database grew. */
  readonly logBytes: number;
  readonly databaseBytes: number;
  /** Whether the owner of another account at the foe's address signs in later. */
  readonly neighbour: string | undefined;
}

/** After a part, deliveries have so long to arrive; what is missing is lost. */
const DRAIN_MS = 10_000;

/**
 * Measures an attack on the server with this script.
 *
 * @throws {Error} if the server ends, or the foe does nothing
 */
export async function measure(
  cell: Cell,
  { script, databases, times, busy, v8Flags }: Setting,
): Promise<Result> {
  const { foe, transport, addresses } = cell;
  const needs = foe.needs && await databases.of(script, foe.needs);
  const { args, port } = placeOf(transport);
  await using server = await BenchServer.start({
    script,
    args,
    database: needs,
    under: [
      ...(v8Flags ? ["env", `DENO_V8_FLAGS=${v8Flags}`] : []),
      ...(busy ? ["chrt", "--rr", "1"] : []),
    ],
  });
  if (foe.locks) await makeAccounts(server.port);
  const people = await People.start(server.port);
  const scene: Scene = {
    server,
    people,
    newcomers: await newcomers(server.port),
    owners: foe.locks ? owners(server.port) : undefined,
  };
  try {
    await sleep(times.settle);
    const alone = await part(scene, times.alone);
    const before = await server.fileBytes();
    const attack = { kind: foe.kind, transport, port: port ?? server.port };
    await using foes = new FoeProcess({ ...attack, addresses }, busy);
    await foes.begun();
    const beside = await part(scene, times.beside, foes);
    const after = await server.fileBytes();
    const neighbour = foe.locks
      ? await neighbourSignsIn(server.port, addressesOf(addresses)[0])
      : undefined;
    if (server.death !== undefined) throw new Error(server.death);
    return {
      alone,
      beside,
      foe: foes.tally,
      logBytes: after.log - before.log,
      databaseBytes: after.database - before.database,
      neighbour,
    };
  } finally {
    scene.newcomers.stop();
    scene.owners?.stop();
    people.stop();
  }
}

/** The options that a transport needs, and its port if it is another one. */
function placeOf(
  transport: Transport,
): { args: readonly string[]; port?: number } {
  const [tls, web] = [freePort(), freePort()];
  const withTls = ["--tls", "--tls-port", `${tls}`];
  const withWeb = ["--web", "--web-port", `${web}`];
  switch (transport) {
    case "tcp":
      return { args: [] };
    case "tls":
      return { args: withTls, port: tls };
    case "ws":
    case "http":
      return { args: withWeb, port: web };
    case "https":
      return { args: [...withTls, ...withWeb], port: web };
  }
}

interface Scene {
  readonly server: BenchServer;
  readonly people: People;
  readonly newcomers: Visitors;
  readonly owners: Visitors | undefined;
}

/** Measures for so long; the foes end with this part. */
async function part(
  scene: Scene,
  forMs: number,
  foes?: FoeProcess,
): Promise<Part> {
  const { server } = scene;
  await server.peakBytes(); // from now on
  const own = [Deno.pid, server.pid, ...(foes ? [foes.pid] : [])];
  const meter = new DisturbanceMeter(own);
  const noticed = scene.people.begin();
  const newcomers = scene.newcomers.begin();
  const owners = scene.owners?.begin();
  await sleep(forMs);
  const disturbance = await meter.read();
  // What is on its way now belongs to this part; what comes now does not.
  scene.people.begin();
  scene.newcomers.begin();
  scene.owners?.begin();
  const peakBytes = await server.peakBytes();
  await foes?.[Symbol.asyncDispose]();
  await Promise.all([drained(noticed), newcomers.ended(), owners?.ended()]);
  return { noticed, newcomers, owners, peakBytes, disturbance };
}

/** Resolves when everything has arrived, or is lost. */
async function drained(noticed: Noticed): Promise<void> {
  const limit = performance.now() + DRAIN_MS;
  while (performance.now() < limit) {
    if (noticed.isComplete) break;
    await sleep(20);
  }
  noticed.seal(DRAIN_MS);
}
