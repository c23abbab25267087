/**
 * The load generator as a function: compiles the C programs once, runs one load
 * against one server, and returns what it found.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

import { makeTempDir, own } from "../peers/processes.ts";
import type { Server } from "../peers/start.ts";
import { forBody, type Protocol } from "./protocols.ts";

/**
 * How far senders may be ahead of the slowest receiver, the same for every
 * server: large enough that each runs at its best, and small enough that none
 * disconnects a receiver as too slow (see the sweep in docs/performance.md).
 */
export const WINDOW_MESSAGES = 512;

/** The same in bytes of bodies, for long ones. */
export const WINDOW_BYTES = 1024 * 1024;

/** The same in deliveries, so that 10,000 receivers do not fill the memory. */
export const WINDOW_DELIVERIES = 512_000;

/** One load: `rooms` rooms of `members`, the first `senders` of each sending. */
export interface Load {
  readonly rooms: number;
  readonly members: number;
  /** 0 measures connecting only. */
  readonly senders: number;
  readonly bodyBytes?: number;
  /** How far senders may be ahead; default: {@linkcode WINDOW_MESSAGES}. */
  readonly window?: number;
  /** Messages a second in all; as fast as they are taken if absent. */
  readonly rate?: number;
  /** Stops waiting for connections that are not ready by then. */
  readonly connectLimitMs?: number;
  /** Begins when nothing was received for so long (or after 15 s); default 200. */
  readonly settleMs?: number;
  readonly warmMs?: number;
  readonly measureMs?: number;
  readonly limitS: number;
  /** How many connections may be opened at the same time; default 8. */
  readonly atOnce?: number;
  readonly joinApart?: boolean;
}

/** What `load.c` reports; the second half only if something was sent. */
export interface LoadResult {
  connections: number;
  ready: number;
  failed: number;
  connectMs: number;
  joinMs: number;
  connectCpuS: number;
  startPssKb: number;
  readyPssKb: number;
  messages: number;
  deliveries: number;
  elapsedS: number;
  loadCpuS: number;
  serverCpuS: number;
  /** Of the processes that the servers need, such as NATS. */
  besideCpuS: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  maxUs: number;
  samples: number;
  latestSendUs: number;
  endPssKb: number;
}

/** What the C programs are compiled with. */
export interface Compiling {
  readonly compiler: string;
  /** Whether the generator is to speak TLS, which takes OpenSSL. */
  readonly withTls: boolean;
}

/** Compiles the generator and the relay; returns the folder they are in. */
export async function compileTools(
  { compiler, withTls }: Compiling,
): Promise<string> {
  const dir = await makeTempDir();
  const tls = withTls ? ["-DWITH_TLS", "-lssl", "-lcrypto"] : [];
  for (const [name, more] of [["load", tls], ["relay", []]] as const) {
    const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url));
    const { success, stderr } = await compile(compiler, [
      ...["-O2", "-o", `${dir}/${name}`, source],
      ...more,
    ]);
    if (!success) {
      throw new Error(
        `Cannot compile ${source}: ${new TextDecoder().decode(stderr)}`,
      );
    }
  }
  await Deno.chmod(dir, 0o755);
  return dir;
}

/** Whether the compiler finds OpenSSL, its headers and the library. */
export async function hasOpenSsl(compiler: string): Promise<boolean> {
  const dir = await makeTempDir();
  const source = `${dir}/probe.c`;
  await Deno.writeTextFile(
    source,
    "#include <openssl/ssl.h>\nint main(void) { return !TLS_client_method(); }\n",
  );
  const args = ["-o", `${dir}/probe`, source, "-lssl", "-lcrypto"];
  return (await compile(compiler, args)).success;
}

async function compile(compiler: string, args: string[]) {
  try {
    return await new Deno.Command(compiler, { args, stdin: "null" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `Cannot compile the load generator: no C compiler "${compiler}"; ` +
        "install one (Debian: apt-get install gcc libc6-dev)",
    );
  }
}

/** Runs one load; throws what the generator or the server reports as an error. */
export async function runLoad(
  { server, protocol, toolsDir }: {
    server: Server;
    protocol: Protocol;
    toolsDir: string;
  },
  load: Load,
): Promise<LoadResult> {
  const process = new Deno.Command(`${toolsDir}/load`, {
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  own(process);
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(toSpec(server, protocol, load)));
  await writer.close();
  const { stdout, code, signal } = await process.output();
  const text = new TextDecoder().decode(stdout);
  // What load.c prints is written beside this interface; see print_load there.
  const result = text
    ? JSON.parse(text) as LoadResult & { error?: string }
    : undefined;
  if (result && !result.error) return result;
  const why = result?.error ?? `load ended with ${signal ?? `code ${code}`}`;
  throw new Error([why, server.death()].filter(Boolean).join("; "));
}

/** The lines that `load_spec.h` reads. */
function toSpec(server: Server, protocol: Protocol, load: Load): string {
  const { bodyBytes = 100 } = load;
  const { maxBodyBytes: _, ...texts } = forBody(protocol, bodyBytes);
  const lists = { port: server.ports, pid: server.pids, beside: server.beside };
  const values = {
    rooms: load.rooms,
    members: load.members,
    senders: load.senders,
    body_bytes: bodyBytes,
    window: Math.min(
      load.window ?? WINDOW_MESSAGES,
      Math.ceil(WINDOW_DELIVERIES / load.members),
    ),
    window_bytes: WINDOW_BYTES,
    rate: load.rate ?? 0,
    connect_limit_ms: load.connectLimitMs ?? 0,
    settle_ms: load.settleMs ?? 200,
    warm_ms: load.warmMs ?? 0,
    measure_ms: load.measureMs ?? 0,
    limit_s: load.limitS,
    at_once: load.atOnce ?? 8,
    join_apart: Number(load.joinApart ?? false),
    transport: "tcp",
    ...texts,
  };
  const lines = Object.entries({ ...lists, ...values }).flatMap(
    ([key, value]) => [value].flat().map((one) => [key, one] as const),
  );
  return lines.map(([key, value]) => {
    return `${key} ${escape(String(value))}\n`;
  }).join("");
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r");
}
