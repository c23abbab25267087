/**
 * How fast a file gets from one program to another on this computer, and how
 * much memory that takes.
 *
 *     deno run -A bench/files.ts [--size 1000] [--folder /tmp] [--many 10000]
 *
 * Side by side, in turns: two clients of ours, magic-wormhole with a mailbox
 * server of its own on this computer, and `nc`, which neither encrypts nor
 * checks anything. Each sends a file of one byte, which is what it takes to
 * start and to find each other, and then one of `--size` MB; the speed is that
 * of the difference. Then ours sends a folder of `--many` small files, and with
 * `--sparse` 5 GiB of zeros. What arrived is compared by hash, each time.
 *
 * Whatever is not installed is left out, and said so: `apt-get install
 * magic-wormhole python3-magic-wormhole-mailbox-server netcat-openbsd`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import {
  Child,
  cleanUp,
  connectWhenListening,
  freePort,
  makeTempDir,
} from "./peers/processes.ts";

const RUNS = 3;
const SEE_MEMORY_EVERY_MS = 100;
const PIECE_BYTES = 4 * 1_048_576;

/** A program that can send a file. */
interface Program {
  readonly name: string;
  /** How the receiver is started; it puts the file into the folder `to`. */
  receive(to: string): string[];
  /** How the sender is started. */
  send(path: string): string[];
  /** Whether the sender may be started; until then it is waited for. */
  ready?(receiver: Child): Promise<void>;
}

/** What became of one transfer. */
interface Outcome {
  readonly ms: number;
  /** The most memory that each side had, in bytes. */
  readonly memory: { readonly sender: number; readonly receiver: number };
}

async function main(args: string[]): Promise<void> {
  const { size, folder, many, sparse } = parseArgs(args, {
    string: ["size", "folder", "many"],
    boolean: ["sparse"],
    default: { size: "1000", folder: "/tmp", many: "10000" },
  });
  Deno.env.set("TMPDIR", String(folder));
  const from = await makeTempDir();
  await writeNoise(`${from}/one`, 1);
  await writeNoise(`${from}/big`, Number(size) * 1e6);
  const { server, port } = await startChat();
  const ours = parley(port);
  const programs = [ours, ...await others(from)];
  for (let run = 1; run <= RUNS; run++) {
    for (const program of programs) await compare(program, from);
  }
  await writeMany(`${from}/many`, Number(many));
  tell(ours, `a folder of ${many} files`, await transfer(ours, `${from}/many`));
  if (sparse) {
    await writeSparse(`${from}/sparse`, 5 * 2 ** 30);
    tell(ours, "5 GiB", await transfer(ours, `${from}/sparse`));
  }
  await server.end();
}

async function compare(program: Program, from: string): Promise<void> {
  const one = await transfer(program, `${from}/one`);
  const big = await transfer(program, `${from}/big`);
  const { size } = await Deno.stat(`${from}/big`);
  const speed = size / (big.ms - one.ms) / 1_000;
  tell(program, `1 byte`, one);
  tell(program, `${size / 1e6} MB (${speed.toFixed(0)} MB/s)`, big);
}

function tell({ name }: Program, what: string, { ms, memory }: Outcome): void {
  const mega = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  console.log(
    `${name}: ${what} in ${(ms / 1_000).toFixed(2)} s, memory: ` +
      `sender ${mega(memory.sender)}, receiver ${mega(memory.receiver)}`,
  );
}

/** From the start of the sender to the end of both. */
async function transfer(program: Program, path: string): Promise<Outcome> {
  const to = await makeTempDir();
  const start = ([command = "", ...args]: string[], name: string) =>
    new Child([command, ...args], { name, cwd: to, unprivileged: false });
  const receiver = start(program.receive(to), `${program.name} receiver`);
  await program.ready?.(receiver);
  const begun = performance.now();
  const sender = start(program.send(path), `${program.name} sender`);
  const memory = { sender: 0, receiver: 0 };
  while (!sender.death || !receiver.death) {
    memory.sender = Math.max(memory.sender, memoryOf(sender.pid));
    memory.receiver = Math.max(memory.receiver, memoryOf(receiver.pid));
    await new Promise((next) => setTimeout(next, SEE_MEMORY_EVERY_MS));
  }
  const ms = performance.now() - begun;
  for (const { death = "" } of [sender, receiver]) {
    if (!death.includes("with code 0")) throw new Error(death);
  }
  await checkSame(path, to);
  await Deno.remove(to, { recursive: true });
  return { ms, memory };
}

/** The most that a process ever had; 0 if it is gone. */
function memoryOf(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return 1_024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function checkSame(path: string, to: string): Promise<void> {
  const [arrived] = await Array.fromAsync(Deno.readDir(to));
  const found = arrived && await hashOf(`${to}/${arrived.name}`);
  if (found !== await hashOf(path)) throw new Error(`${path} arrived damaged`);
}

/** SHA-256 of a file, or of all files in a folder, in the order of names. */
async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  if ((await Deno.stat(path)).isDirectory) {
    const names = await Array.fromAsync(Deno.readDir(path));
    names.sort((a, b) => a.name < b.name ? -1 : 1);
    for (const { name } of names) hash.update(await hashOf(`${path}/${name}`));
  } else {
    using file = await Deno.open(path);
    const buffer = new Uint8Array(PIECE_BYTES);
    for (let count; (count = await file.read(buffer)) !== null;) {
      hash.update(buffer.subarray(0, count));
    }
  }
  return hash.digest("hex");
}

/** A server of ours, since clients find each other through one. */
async function startChat(): Promise<{ server: Child; port: number }> {
  const port = freePort();
  const args = ["--host", "127.0.0.1", "--port", `${port}`];
  const server = new Child([Deno.execPath(), "run", "-A", SERVER, ...args], {
    name: "parley",
    cwd: await makeTempDir(),
    unprivileged: false,
  });
  (await connectWhenListening(port, server)).close();
  return { server, port };
}

function parley(port: number): Program {
  const client = (name: string, ...args: string[]) => [
    ...[Deno.execPath(), "run", "-A", CLIENT, name, `127.0.0.1:${port}`],
    ...["--direct-host", "127.0.0.1", ...args],
  ];
  return {
    name: "parley",
    receive: (to) => client("bob", "--receive", "--downloads", to),
    send: (path) => client("alice", "--send", "bob", path),
    ready: (receiver) => isRegistered(port, "bob", receiver),
  };
}

/** Waits until `name` is on the server: WHO tells. */
async function isRegistered(
  port: number,
  name: string,
  child: Child,
): Promise<void> {
  using conn = await connectWhenListening(port, child);
  const ask = async (text: string) => {
    await conn.write(new TextEncoder().encode(text));
    const buffer = new Uint8Array(65_536);
    const count = await conn.read(buffer);
    return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
  };
  await ask("REGISTER watcher\n\n");
  while (!(await ask("WHO ALL\n\n")).includes(`${name} `)) {
    if (child.death) throw new Error(child.death);
    await new Promise((next) => setTimeout(next, 5));
  }
}

async function others(from: string): Promise<Program[]> {
  const found: Program[] = [];
  const isThere = async (command: string) =>
    (await new Deno.Command("/bin/sh", {
      args: ["-c", `command -v ${command}`],
      stdout: "null",
    }).output()).success;
  if (await isThere("wormhole") && await isThere("twist3")) {
    found.push(await wormhole(from));
  } else console.log("magic-wormhole or its mailbox server is not installed");
  if (await isThere("nc")) found.push(netcat());
  else console.log("nc is not installed");
  return found;
}

async function wormhole(cwd: string): Promise<Program> {
  const port = freePort();
  const listen = `tcp:${port}:interface=127.0.0.1`;
  const mailbox = new Child(["twist3", "wormhole-mailbox", "--port", listen], {
    name: "wormhole mailbox",
    cwd,
    unprivileged: false,
  });
  (await connectWhenListening(port, mailbox)).close();
  // No relay: both are on one computer, and find each other without.
  const both = ["wormhole", "--relay-url", `ws://127.0.0.1:${port}/v1`];
  const place = [...both, "--transit-helper", "tcp:127.0.0.1:9"];
  return {
    name: "magic-wormhole",
    receive: () => [...place, "receive", "--accept-file", "7-a-b"],
    send: (path) => [...place, "send", "--code", "7-a-b", path],
  };
}

function netcat(): Program {
  let port = 0;
  const shell = (command: string, path: string) => [
    ...["/bin/sh", "-c", command, "sh", path],
  ];
  return {
    name: "nc",
    receive(to) {
      port = freePort();
      return shell(`nc -l 127.0.0.1 ${port} > "$1"`, `${to}/file`);
    },
    // It takes one connection only, so that one cannot try whether it listens.
    send: (path) =>
      shell(
        `until nc -N 127.0.0.1 ${port} < "$1"; do sleep 0.01; done`,
        path,
      ),
  };
}

async function writeNoise(path: string, bytes: number): Promise<void> {
  using file = await Deno.open(path, { create: true, write: true });
  const piece = new Uint8Array(65_536);
  for (let left = bytes; left > 0; left -= piece.length) {
    crypto.getRandomValues(piece);
    await file.write(piece.subarray(0, left));
  }
}

async function writeSparse(path: string, bytes: number): Promise<void> {
  using file = await Deno.open(path, { create: true, write: true });
  await file.truncate(bytes);
}

async function writeMany(path: string, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const folder = `${path}/${number % 100}`;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/${number}.txt`, `file ${number}\n`);
  }
}

const CLIENT = fileURLToPath(new URL("../client.ts", import.meta.url));
const SERVER = fileURLToPath(new URL("../server.ts", import.meta.url));

if (import.meta.main) {
  Deno.addSignalListener("SIGINT", () => {
    cleanUp();
    Deno.exit(130);
  });
  try {
    await main(Deno.args);
  } finally {
    cleanUp();
  }
}
