/**
 * Measures whether users notice that others attack the server.
 *
 *     deno run -A bench/hostile/hostile.ts
 *     deno run -A bench/hostile/hostile.ts --peers parley,parley@16bfe57
 *     deno run -A bench/hostile/hostile.ts --only rooms,history --addresses 10
 *
 * Fifty users are in five rooms; each sends 100 bytes twice a second. Once a
 * second a newcomer registers, makes a room, sends a message, makes an account
 * and leaves. The bench measures how long deliveries and answers take, and counts
 * what is refused: first while the users are alone, then beside a foe. There is a
 * foe for each kind of attack (foes/), from one address and from ten. Each attack
 * gets a fresh server with all its limits.
 *
 * In reality the foes would be other computers. So they have addresses of their
 * own, and their process gives way to all others: see foe_process.ts. For the same
 * reason the users have a processor whenever they want one (`chrt --rr`, which
 * takes root). Without it they would wait behind the server, up to 3 ms, while the
 * foes have the other processor.
 *
 * The table is on standard output, line by line as it is measured. All else is on
 * standard error.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { checkOutPeers, parseCommitPeer } from "../peers/commits.ts";
import { cleanUp } from "../peers/processes.ts";
import { type Cell, measure, type Setting, type Times } from "./cell.ts";
import { type Transport, TRANSPORTS } from "./foes/link.ts";
import { FOES } from "./foes/table.ts";
import { Databases } from "./prepared.ts";
import {
  details,
  faultsOf,
  footnote,
  heading,
  isDisturbed,
  line,
  medianAlone,
  type Outcome,
} from "./report.ts";

interface Options {
  readonly cells: readonly Cell[];
  readonly peers: readonly string[];
  readonly times: Times;
  readonly repeatStolen: number;
  readonly busy: boolean;
  readonly v8Flags: string;
}

/** A server: its name, and its server.ts. */
interface Peer {
  readonly name: string;
  readonly script: string;
}

async function measureAll(options: Options): Promise<void> {
  await hurry();
  const peers = await findPeers(options.peers);
  const databases = new Databases();
  const outcomes = new Map(peers.map(({ name }) => [name, [] as Outcome[]]));
  const faults: string[] = [];
  const names = peers.map(({ name }) => name);
  console.error(
    `${options.cells.length} attacks, ${minutesOf(options)} minutes`,
  );
  console.log(`${names.join(", in brackets ")}; times in ms\n\n${heading()}`);
  for (const cell of options.cells) {
    const row: Outcome[] = [];
    for (const { name, script } of peers) {
      const title = titleOf(cell);
      console.error(`${title}: ${name}`);
      const outcome = await attempt(cell, { script, databases, ...options });
      row.push(outcome);
      outcomes.get(name)!.push(outcome);
      const fault = faultsOf(cell, outcome);
      if (fault) faults.push(`- ${name}, ${title}: ${fault}`);
    }
    console.log(line(cell, row));
  }
  for (const [name, all] of outcomes) {
    const median = medianAlone(all).toFixed(1);
    console.log(`\n${name}: p99 alone is ${median} ms in the median.`);
  }
  console.log(`\n${footnote()}\n`);
  console.log(`Over the goals:\n\n${faults.join("\n") || "nothing"}`);
}

/** How long all of it takes if nothing is repeated. */
function minutesOf({ cells, peers, times }: Options): number {
  const parts = Object.values(times).reduce((sum, ms) => sum + ms, START_MS);
  return Math.round(cells.length * peers.length * parts / 60_000);
}

/** To start a server, connect the people, and begin an attack. */
const START_MS = 1_500;

/** Measures one attack, again if it was disturbed. */
async function attempt(
  cell: Cell,
  { repeatStolen, ...setting }: Setting & Pick<Options, "repeatStolen">,
): Promise<Outcome> {
  for (let left = repeatStolen;; left--) {
    const outcome = await measure(cell, setting).catch((error: Error) => error);
    if (outcome instanceof Error) console.error(outcome);
    else console.error(details(outcome));
    if (!isDisturbed(outcome) || left === 0) return outcome;
    console.error("  it was disturbed; again");
  }
}

function titleOf({ foe, transport, addresses }: Cell): string {
  return `${foe.kind} over ${transport} from ${addresses}`;
}

/** This tree, and the commits that were asked for. */
async function findPeers(names: readonly string[]): Promise<Peer[]> {
  const commits = names.map(parseCommitPeer).filter((one) => one !== undefined);
  const found = await checkOutPeers(commits);
  const scripts = new Map(found.map(({ name, needs }) => [name, needs.file]));
  const own = fileURLToPath(new URL("../../server.ts", import.meta.url));
  return names.map((name) => ({ name, script: scripts.get(name) ?? own }));
}

/** Runs this process, and nothing it starts, before all others; see chrt(1). */
async function hurry(): Promise<void> {
  const process = new Deno.Command("chrt", {
    args: [
      ...["--rr", "--reset-on-fork", "--all-tasks"],
      ...["--pid", "2", `${Deno.pid}`],
    ],
  });
  const { success, stderr } = await process.output();
  if (!success) console.error(new TextDecoder().decode(stderr).trim());
}

const USAGE = `Usage: deno run -A bench/hostile/hostile.ts [options]

Measures whether users notice that others attack the server.

  --peers LIST         Servers to attack: parley is this tree, parley@COMMIT
                       another one (default parley)
  --only LIST          Only these attacks
                       (${FOES.map(({ kind }) => kind).join(", ")})
  --addresses LIST     From how many addresses (default 1,10)
  --transports LIST    Over these, as far as the attack exists there
                       (${TRANSPORTS.join(", ")}); without
                       it, over those where attacks differ most
  --seconds NUMBER     Attack for so long each (default 20)
  --quick              The same as --seconds 5
  --repeat-stolen NUMBER
                       Repeat an attack so often if the host, or other programs,
                       took too much of the processors
  --busy               For a first look on a machine that does other work: run
                       the server before it too, and the foes beside it
  --v8-flags LIST      Start the servers with these options of V8, such as
                       --v8-flags=--max-semi-space-size=2
  --help               Show this text`;

/** Reads the command line; prints a mistake in one line, and exits. */
function readOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: {
        peers: { type: "string", default: "parley" },
        only: { type: "string", default: "" },
        addresses: { type: "string", default: "1,10" },
        transports: { type: "string", default: "" },
        seconds: { type: "string" },
        quick: { type: "boolean", default: false },
        "repeat-stolen": { type: "string", default: "0" },
        busy: { type: "boolean", default: false },
        "v8-flags": { type: "string", default: "" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      Deno.exit(0);
    }
    const peers = values.peers.split(",");
    const wrong = peers.find((name) => !/^parley(@.+)?$/.test(name));
    if (wrong !== undefined) throw new Error(`Cannot attack "${wrong}"`);
    const seconds = values.seconds ?? (values.quick ? "5" : "20");
    const [beside = 0] = readNumbers(seconds, 1, 3_600);
    return {
      peers,
      times: timesFor(beside * 1_000),
      cells: cellsOf({
        kinds: readWords(values.only, FOES.map(({ kind }) => kind)),
        transports: readWords(values.transports, TRANSPORTS),
        addresses: readNumbers(values.addresses, 1, 200),
      }),
      busy: values.busy,
      v8Flags: values["v8-flags"],
      repeatStolen: readNumbers(values["repeat-stolen"], 0, 100)[0]!,
    };
  } catch (error) {
    console.error((error as Error).message.split("\n")[0]);
    Deno.exit(2);
  }
}

/** The parts before the attack are shorter. */
function timesFor(beside: number): Times {
  return {
    settle: Math.min(2_000, beside / 4),
    alone: Math.max(3_000, beside * 0.3),
    beside,
  };
}

/** The attacks to measure: of everything if a list is empty. */
function cellsOf(
  { kinds, transports, addresses }: {
    kinds: readonly string[];
    transports: readonly Transport[];
    addresses: readonly number[];
  },
): Cell[] {
  const wanted = FOES.filter(({ kind }) => {
    return kinds.length === 0 || kinds.includes(kind);
  });
  return wanted.flatMap((foe) => {
    const over = transports.length > 0
      ? foe.over.filter((one) => transports.includes(one))
      : foe.over.slice(0, foe.usual ?? 1);
    const from = foe.addresses === undefined ? addresses : [foe.addresses];
    return over.flatMap((transport) =>
      from.map((count) => ({ foe, transport, addresses: count }))
    );
  });
}

function readWords<Word extends string>(
  text: string,
  known: readonly Word[],
): Word[] {
  return text.split(",").filter(Boolean).map((name) => {
    const word = known.find((one) => one === name);
    if (word) return word;
    throw new Error(`Cannot use "${name}": there is ${known.join(", ")}`);
  });
}

function readNumbers(text: string, least: number, most: number): number[] {
  return text.split(",").map((word) => {
    const number = Number(word);
    if (Number.isInteger(number) && number >= least && number <= most) {
      return number;
    }
    throw new Error(`Cannot use "${word}": a number is ${least} to ${most}`);
  });
}

if (import.meta.main) {
  const options = readOptions(Deno.args);
  Deno.addSignalListener("SIGINT", () => {
    cleanUp();
    Deno.exit(130);
  });
  try {
    await measureAll(options);
  } finally {
    cleanUp();
  }
  Deno.exit();
}
