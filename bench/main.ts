/**
 * Measures Parley beside the servers that people run, on this machine.
 *
 *     deno task bench            everything, about eleven minutes
 *     deno task bench --quick    a first look, about two minutes
 *
 * Every case runs several times, and in each of its runs all servers take their
 * turns one after the other, starting with another one each time: what else the
 * machine was doing hits all of them alike. Each measurement has a freshly started
 * server to itself. Only 127.0.0.1 is ever talked to.
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
import { EMPTY, type Peer, PEERS } from "./peers/peers.ts";
import { cleanUp } from "./peers/processes.ts";
import { toSvg, toText } from "./report.ts";
import type { CaseResult, Results } from "./results.ts";

interface Options {
  readonly quick: boolean;
  readonly runs: number;
  readonly only: readonly string[];
  readonly peers: readonly string[];
  readonly out: string | undefined;
  readonly compiler: string;
}

/** Measures what the options ask for, in turn, and says on stderr how far it is. */
export async function measureAll(options: Options): Promise<Results> {
  const { compiler } = options;
  const withTls = await hasOpenSsl(compiler);
  const { absent, notes } = await findAbsent(options, withTls);
  const setting = {
    toolsDir: await compileTools({ compiler, withTls }),
    quick: options.quick,
  };
  const results: Results = {
    startedAt: new Date().toISOString(),
    machine: describeMachine(),
    settings: { quick: options.quick, runs: options.runs },
    notes,
    cases: [],
  };
  for (const one of chooseCases(options)) {
    const peers = (one.peers ?? PEERS).filter((peer) => {
      if (peer === EMPTY) return true;
      return !absent.has(peer.name) && wants(options.peers, peer.name);
    });
    if (peers.length > 0) {
      results.cases.push(
        await measureCase(one, peers, { ...setting, ...options }),
      );
    }
  }
  return results;
}

/** Names that mean one thing only, though others may start like them. */
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

/** Which servers cannot be measured, with a line for each on what would help. */
async function findAbsent({ peers }: Options, withTls: boolean) {
  const absent = new Set<string>();
  const notes: string[] = [];
  for (const peer of PEERS.filter(({ name }) => wants(peers, name))) {
    const missing = await findMissing(peer, withTls);
    if (!missing) continue;
    absent.add(peer.name);
    notes.push(`${peer.name} is not measured: there is no ${missing}`);
  }
  for (const note of notes) console.error(note);
  return { absent, notes };
}

async function findMissing({ needs, protocol }: Peer, withTls: boolean) {
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
bare relays side by side on 127.0.0.1, and says where Parley stands.

  --quick         A first look: one short run of the most important cases
  --only LIST     Only cases that start like one of these, e.g. receivers,steady
                  (${CASES.map(({ id }) => id).join(", ")})
  --peers LIST    Only servers that start like one of these, e.g. parley,nats
                  (${PEERS.map(({ name }) => name).join(", ")})
  --runs NUMBER   Runs of each case (default 3; with --quick 1)
  --out FOLDER    Write bench.json and bench.svg there
  --cc COMPILER   C compiler (default cc)
  --help          This text`;

/** Reads the command line; on a mistake says so in one line, and exits. */
function readOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
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
    const peers = readList(
      values.peers,
      "server",
      PEERS.map(({ name }) => name),
    );
    return { quick, runs, only, peers, out, compiler };
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
