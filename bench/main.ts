/**
 * Measures Parley beside other servers, on this machine.
 *
 *     deno task bench            everything, about fourteen minutes
 *     deno task bench --quick    a first look, about two minutes
 *     deno task bench --only cluster
 *                                three servers with one chat beside one, about three
 *                                minutes
 *     deno task bench --peers parley,parley@16bfe57 --runs 7
 *                                this tree compared with a commit
 *
 * Every case runs several times. In each run all servers take turns, beginning
 * with another one each time, so that other load on the machine hits all alike.
 * Each measurement starts a fresh server. Only 127.0.0.1 is used.
 *
 * Result: tables on standard output, `bench.json` with every single number and
 * `bench.svg` in the folder given by --out.
 *
 * @module
 */
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";

import { type Case, CASES, type Setting } from "./cases.ts";
import { compileTools, hasOpenSsl } from "./load/load.ts";
import {
  checkOutPeers,
  type CommitPeer,
  parseCommitPeer,
} from "./peers/commits.ts";
import { type Peer, PEERS } from "./peers/peers.ts";
import { cleanUp } from "./peers/processes.ts";
import { startServer } from "./peers/start.ts";
import { toSvg, toText } from "./report.ts";
import type { CaseResult, Results } from "./results.ts";

interface Options {
  readonly quick: boolean;
  readonly runs: number;
  readonly only: readonly string[];
  readonly peers: readonly string[];
  readonly commits: readonly CommitPeer[];
  readonly out: string | undefined;
  readonly compiler: string;
}

/** Measures what the options ask for, in turn, and reports progress on stderr. */
export async function measureAll(options: Options): Promise<Results> {
  const { compiler } = options;
  const withTls = await hasOpenSsl(compiler);
  const { peers, notes } = await findPeers(options, withTls);
  const setting = {
    toolsDir: await compileTools({ compiler, withTls }),
    quick: options.quick,
  };
  if (options.commits.length > 0) await warmUp(peers, setting.toolsDir);
  const results: Results = {
    startedAt: new Date().toISOString(),
    machine: describeMachine(),
    settings: { quick: options.quick, runs: options.runs },
    notes,
    cases: [],
  };
  for (const one of chooseCases(options)) {
    const able = peers.filter(({ kind }) => one.several || kind !== "cluster");
    const chosen = one.choose?.(able) ?? able;
    if (chosen.length > 0) {
      results.cases.push(
        await measureCase(one, chosen, { ...setting, ...options }),
      );
    }
  }
  return results;
}

/** Full names, which match nothing else that starts like them. */
const KNOWN_NAMES = new Set([...CASES, ...PEERS].map((one) => {
  return "id" in one ? one.id : one.name;
}));

async function measureCase(
  { id, title, metrics, maxRuns = Infinity, measure }: Case,
  peers: readonly Peer[],
  setting: Setting & { runs: number },
): Promise<CaseResult> {
  const rows = peers.map(({ name }) => ({
    peer: name,
    samples: [] as CaseResult["rows"][number]["samples"],
    errors: [] as string[],
  }));
  const runs = Math.min(setting.runs, maxRuns);
  for (let run = 0; run < runs; run++) {
    for (let turn = 0; turn < peers.length; turn++) {
      const index = (turn + run) % peers.length;
      const [peer, row] = [peers[index]!, rows[index]!];
      if (row.errors.length > 0) continue; // it would fail again, and slowly
      console.error(`${id}, run ${run + 1} of ${runs}: ${peer.name}`);
      try {
        row.samples.push(await measure(peer, setting));
      } catch (error) {
        row.errors.push((error as Error).message);
        console.error(`  failed: ${(error as Error).message}`);
      }
    }
  }
  return { id, title, metrics, rows };
}

/**
 * The servers to measure, each Parley followed by the same one of the commits,
 * and a line on each server that is missing, with the package that has it.
 */
async function findPeers(options: Options, withTls: boolean) {
  const today = PEERS.filter(({ name }) => wants(options.peers, name));
  const ofCommits = await checkOutPeers(options.commits);
  const peers: Peer[] = [];
  const notes: string[] = [];
  for (const peer of orderForPairs(today, ofCommits)) {
    const missing = await findMissing(peer, withTls);
    if (missing) {
      notes.push(`${peer.name} is not measured; missing: ${missing}`);
    } else peers.push(peer);
  }
  for (const note of notes) console.error(note);
  return { peers, notes };
}

/** Each variant followed by the same variant of the commits. */
function orderForPairs(today: readonly Peer[], ofCommits: readonly Peer[]) {
  const isOf = (name: string) => (peer: Peer) =>
    peer.name.startsWith(`${name}@`);
  const paired = today.flatMap((peer) => {
    return [peer, ...ofCommits.filter(isOf(peer.name))];
  });
  return [...paired, ...ofCommits.filter((one) => !paired.includes(one))];
}

/**
 * Starts every Parley once before anything is measured: Deno compiles a source
 * file when it first runs, which a fresh worktree would pay for in its first run.
 */
async function warmUp(peers: readonly Peer[], toolsDir: string) {
  for (const peer of peers.filter(({ kind }) => kind === "parley")) {
    await using _server = await startServer(peer, toolsDir);
  }
}

async function findMissing({ kind, needs, protocol }: Peer, withTls: boolean) {
  if (kind === "cluster") {
    const { hasNats } = await import("../tests/cluster/nats_servers.ts");
    if (!hasNats) return "nats-server 2.15.1 (tests/cluster/nats-server)";
  }
  if (!await isThere(needs.file)) return `${needs.file} (${needs.hint})`;
  if (protocol.transport !== "tls" || withTls) return undefined;
  return "OpenSSL to compile with (apt-get install libssl-dev)";
}

async function isThere(file: string): Promise<boolean> {
  const folders = `${Deno.env.get("PATH")}:/usr/sbin:/sbin`.split(":");
  const paths = file.includes("/")
    ? [file]
    : folders.map((dir) => `${dir}/${file}`);
  const found = await Promise.all(
    paths.map((path) =>
      Deno.stat(path).then((info) => info.isFile, () => false)
    ),
  );
  return found.includes(true);
}

function chooseCases({ quick, only }: Options): readonly Case[] {
  if (only.length > 0) return CASES.filter(({ id }) => wants(only, id));
  return CASES.filter(({ long }) => !quick || !long);
}

/** Whether the list is empty, has the name, or how it starts. */
function wants(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name) ||
    names.some((start) => {
      return name.startsWith(start) && !KNOWN_NAMES.has(start);
    });
}

function describeMachine(): Results["machine"] {
  const processors = cpus();
  return {
    processor: processors[0]?.model ?? "unknown processor",
    cores: processors.length,
    kernel: release(),
    deno: Deno.version.deno,
  };
}

async function write(results: Results, dir: string): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(
    `${dir}/bench.json`,
    `${JSON.stringify(results, null, 2)}\n`,
  );
  await Deno.writeTextFile(`${dir}/bench.svg`, toSvg(results));
  console.error(`Written: ${dir}/bench.json and ${dir}/bench.svg`);
}

const USAGE = `Usage: deno task bench [options]

Measures Parley, nats-server, ngircd and inspircd (those that are installed) and
bare relays side by side on 127.0.0.1, and compares Parley with its goals.

  --quick         Do one short run of the most important cases
  --only LIST     Measure only cases that start like one of these, e.g. receivers,steady
                  (${CASES.map(({ id }) => id).join(", ")})
  --peers LIST    Measure only servers that start like one of these
                  (${PEERS.map(({ name }) => name).join(", ")})
                  NAME@COMMIT is Parley of that commit, built in a git worktree
                  that is removed at the end, e.g. parley,parley@HEAD~1. The
                  report then shows the ratio of this tree to the commit for each
                  number, as the median and the range of the pairs of runs
  --runs NUMBER   Run each case so often (default 3; with --quick 1)
  --out FOLDER    Write bench.json and bench.svg there
  --cc COMPILER   Use this C compiler (default cc)
  --help          Show this text`;

/** Reads the command line; prints a mistake in one line, and exits. */
function readOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args: args[0] === "--" ? args.slice(1) : args,
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", default: "" },
        peers: { type: "string", default: "" },
        runs: { type: "string" },
        out: { type: "string" },
        cc: { type: "string", default: "cc" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      Deno.exit(0);
    }
    const { quick, out, cc: compiler } = values;
    const runs = Number(values.runs ?? (quick ? 1 : 3));
    if (!Number.isInteger(runs) || runs < 1 || runs > 100) {
      throw new Error(
        `Cannot run "${values.runs}" times: the number is 1 to 100`,
      );
    }
    const only = readList(values.only, "case", CASES.map(({ id }) => id));
    const names = PEERS.map(({ name }) => name);
    const { peers, commits } = readPeers(values.peers, names);
    return { quick, runs, only, peers, commits, out, compiler };
  } catch (error) {
    console.error((error as Error).message.split("\n")[0]);
    Deno.exit(2);
  }
}

function readList(text: string, what: string, known: string[]): string[] {
  const names = text.split(",").filter(Boolean);
  for (const name of names) {
    if (known.some((one) => one.startsWith(name))) continue;
    throw new Error(
      `Cannot measure ${what} "${name}": there is ${known.join(", ")}`,
    );
  }
  return names;
}

/** Splits a list of servers into those of today and those of a commit. */
function readPeers(text: string, known: string[]) {
  const names = text.split(",").filter(Boolean);
  const commits = names.map(parseCommitPeer).filter((one) => one !== undefined);
  const today = names.filter((name) => !parseCommitPeer(name));
  const peers = readList(today.join(","), "server", known);
  if (commits.length > 0 && today.length === 0) {
    throw new Error(
      "Cannot compare a commit with nothing: name a server beside it, e.g. " +
        `${commits[0]!.variant},${commits[0]!.name}`,
    );
  }
  return { peers, commits };
}

async function main(args: string[]): Promise<void> {
  const options = readOptions(args);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => {
      cleanUp();
      Deno.exit(130);
    });
  }
  try {
    const results = await measureAll(options);
    console.log(toText(results));
    if (options.out) await write(results, options.out);
    const failed = results.cases.some(({ rows }) => {
      return rows.some(({ errors }) => errors.length > 0);
    });
    Deno.exitCode = failed ? 1 : 0;
  } catch (error) {
    console.error((error as Error).message);
    Deno.exitCode = 1;
  } finally {
    cleanUp();
  }
  Deno.exit();
}

if (import.meta.main) await main(Deno.args);
