/**
 * Three servers of NATS and three of Parley on this computer, to play with:
 *
 *     deno task cluster
 *
 * It gets a server of NATS where there is none, writes to a temporary folder
 * alone, and takes everything away when it ends, with Ctrl-C or at the end of its
 * input.
 *
 * @module
 */
import { TextLineStream } from "@std/streams/text-line-stream";
import { fileURLToPath } from "node:url";
import { onEndSignals } from "../../platform/system.ts";

const NATS = fileURLToPath(new URL("nats-server", import.meta.url));
const SERVER = fileURLToPath(new URL("../../server.ts", import.meta.url));

const NAMES = ["s1", "s2", "s3"];

const HELP = `Type a line:

  s1 COMMAND      an operator's command for a server of Parley, such as: s1 cluster
  kill s1         end a server, at once: s1, s2, s3 of Parley, n1, n2, n3 of NATS
  start s1        start it again
  quit            end all`;

/** A server of Parley, or none while it is killed. */
class Parley {
  readonly #name: string;
  readonly #args: readonly string[];
  #child: Deno.ChildProcess | undefined;
  #input: WritableStreamDefaultWriter<Uint8Array> | undefined;

  constructor(name: string, args: readonly string[]) {
    this.#name = name;
    this.#args = args;
  }

  /** Starts it; its lines are printed behind its name. */
  start(): void {
    if (this.#child) return;
    const child = this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", SERVER, ...this.#args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = child.stdin.getWriter();
    for (const output of [child.stdout, child.stderr]) this.#print(output);
    child.status.then(({ code }) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      console.log(`${this.#name}: ended with code ${code}`);
    });
  }

  async type(line: string): Promise<void> {
    const bytes = new TextEncoder().encode(`${line}\n`);
    await this.#input?.write(bytes).catch(() => {}); // it has ended
  }

  async end(signal: Deno.Signal): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    try {
      child?.kill(signal);
    } catch {
      // It has ended.
    }
    await child?.status;
    await this.#input?.abort().catch(() => {});
  }

  async #print(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const lines = output.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      if (line !== "") console.log(`${this.#name}: ${line}`);
    }
  }
}

async function main(): Promise<number> {
  console.log("Looking for a server of NATS …");
  const { success } = await new Deno.Command(NATS, {
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) return 1;
  const { NatsServers } = await import("./nats_servers.ts");
  await using scope = new AsyncDisposableStack();
  const nats = scope.use(await NatsServers.start());
  const servers = new Map(NAMES.map((name, index) => [
    name,
    new Parley(name, [
      ...["--host", "127.0.0.1", "--port", `${9_901 + index}`],
      ...["--web-port", `${8_081 + index}`, "--db", ":memory:"],
      ...["--nats", nats.from(index).join(), "--server-name", name],
    ]),
  ]));
  scope.defer(async () => {
    const all = [...servers.values()];
    await Promise.all(all.map((server) => server.end("SIGTERM")));
  });
  for (const server of servers.values()) server.start();
  console.log(HELP);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  onEndSignals(() => end());
  obey(servers, nats).then(end);
  await ended;
  console.log("Ending all servers …");
  return 0;
}

/** Obeys the lines of the input, to its end. */
async function obey(
  servers: ReadonlyMap<string, Parley>,
  nats: { run(server: number): void; kill(server: number): Promise<void> },
): Promise<void> {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const [, first = "", rest = ""] = /^(\S*)\s*(.*?)\s*$/.exec(line) ?? [];
    const number = /^n([123])$/.exec(rest)?.[1];
    if (first === "quit") return;
    if (servers.has(first)) await servers.get(first)?.type(rest);
    else if (first === "kill" && number) await nats.kill(Number(number) - 1);
    else if (first === "start" && number) nats.run(Number(number) - 1);
    else if (first === "kill" && servers.has(rest)) {
      await servers.get(rest)?.end("SIGKILL");
    } else if (first === "start") servers.get(rest)?.start();
    else if (first !== "") console.log(HELP);
  }
}

// A pending read of standard input would keep the program from ending.
if (import.meta.main) Deno.exit(await main());
