/**
 * The way of one message: the files of which a function runs, by V8's coverage,
 * while one SEND is stored, delivered and answered, and their lines of code.
 *
 *     deno task path
 *
 * The clients are in this process too, but use none of the files that count.
 *
 * @module
 */
import { Session } from "node:inspector/promises";
import { RawClient } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { tempFolder } from "../tools/temp.ts";
import { TestClock } from "../tools/test_clock.ts";

/** A file on the way, from the top. */
export interface PathFile {
  readonly name: string;
  /** Lines without blank lines and comments. */
  readonly lines: number;
}

/** The messages whose way is measured: a target, and further headers. */
export const MESSAGES = {
  "to a room": ["#r", ""],
  "to a room, with a Key": ["#r", "Key: $\n"],
  "to a user": ["bob", ""],
  "to ALL": ["ALL", ""],
} as const;

/** Functions that run by themselves, such as timers, do not run in all of so many. */
const RUNS = 8;

const ROOT = new URL("../../", import.meta.url);

/** Measures each way; by the name of the message. */
export async function measurePaths(): Promise<Map<string, PathFile[]>> {
  using folder = tempFolder();
  using _timers = noIntervals();
  const clock = new TestClock(); // stands: no client takes more than its time
  await using server = startTestServer({ db: `${folder.path}/chat.db`, clock });
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const coverage = new Session();
  coverage.connect();
  await coverage.post("Profiler.enable");
  await coverage.post("Profiler.startPreciseCoverage", { callCount: true });
  const found = new Map<string, PathFile[]>();
  for (const [name, [target, headers]] of Object.entries(MESSAGES)) {
    let ranInAll: Set<string> | undefined;
    for (let run = 0; run <= RUNS; run++) {
      await filesThatRan(coverage); // and forgets what ran before
      await alice.say(target, "hi", headers.replace("$", `${run}`));
      await Promise.all([alice.next("SENT"), bob.next("FORWARD")]);
      const ran = await filesThatRan(coverage);
      if (run === 0) continue; // the first one in a room also notes the room
      ranInAll = ranInAll?.intersection(ran) ?? ran;
    }
    found.set(name, await Promise.all([...ranInAll!].sort().map(measure)));
  }
  await coverage.post("Profiler.disable");
  coverage.disconnect();
  return found;
}

/**
 * Nothing is repeated until the result is disposed: on a busy machine, a timer of
 * 100 ms runs while each of the messages is on its way.
 */
function noIntervals(): Disposable {
  const { setInterval } = globalThis;
  Object.assign(globalThis, { setInterval: () => 0 });
  return {
    [Symbol.dispose]: () => void Object.assign(globalThis, { setInterval }),
  };
}

/** Our files of which a function ran since this was last asked, but for tests. */
async function filesThatRan(coverage: Session): Promise<Set<string>> {
  const { result } = await coverage.post("Profiler.takePreciseCoverage");
  const ran = new Set<string>();
  for (const { url, functions } of result) {
    const name = url.startsWith(ROOT.href) ? url.slice(ROOT.href.length) : "";
    if (name === "" || name.startsWith("tests/")) continue;
    const [count] = functions.filter((one) => one.functionName !== "")
      .filter((one) => one.ranges[0]!.count > 0);
    if (count) ran.add(name);
  }
  return ran;
}

async function measure(name: string): Promise<PathFile> {
  const source = await Deno.readTextFile(new URL(name, ROOT));
  return { name, lines: linesOfCode(source) };
}

/** Lines that are neither blank nor comments alone. */
export function linesOfCode(source: string): number {
  return source.replaceAll(/\/\*[^]*?\*\//g, "").split("\n")
    .filter((line) => !/^\s*(\/\/.*)?$/.test(line)).length;
}

/** The sum of the lines of `files`. */
export function sumOfLines(files: readonly PathFile[]): number {
  return files.reduce((sum, { lines }) => sum + lines, 0);
}

if (import.meta.main) {
  for (const [message, files] of await measurePaths()) {
    console.log(`A message ${message}:`);
    for (const { name, lines } of files) {
      console.log(`${`${lines}`.padStart(6)}  ${name}`);
    }
    console.log(`${`${sumOfLines(files)}`.padStart(6)}  ${files.length} files`);
  }
}
