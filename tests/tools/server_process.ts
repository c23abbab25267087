/** The server as a process. */
import { fileURLToPath } from "node:url";
import { dirname } from "node:path";
import { within } from "./net/within.ts";
import { WINDOWS_DENO } from "./system/programs.ts";

/** The script. */
export const SERVER = fileURLToPath(
  new URL("../../server.ts", import.meta.url),
);

/** What `deno` is told to run it. */
export const RUN = ["run", "-A", "--cached-only", SERVER];

/** Options for a server that only this computer can reach. */
export const HERE = ["--port", "0", "--host", "127.0.0.1", "--db", ":memory:"];

const encoder = new TextEncoder();

/** What a process prints on one of its outputs. */
class Output {
  /** All of it, so far. */
  text = "";
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Reads until `pattern` is printed, in whole lines: one may come in pieces. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const end = this.text.lastIndexOf("\n") + 1;
      const found = pattern.exec(this.text.slice(0, end));
      if (found) return found;
      const { value, done } = await within(
        this.#reader.read(),
        () => `${pattern} in "${this.text}"`,
      );
      if (done) throw new Error(`Cannot find ${pattern} in "${this.text}"`);
      this.text += this.#decoder.decode(value, { stream: true });
    }
  }

  /** Reads no more: the process cannot write any more. */
  async close(): Promise<void> {
    await this.#reader.cancel();
  }

  async toEnd(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      this.text += this.#decoder.decode(value, { stream: true });
    }
  }
}

/** Which script runs, and what it is denied. */
interface Setting {
  /** Another script in its place; it runs in its own folder. */
  readonly script?: string;
  /** Deno's build for Windows runs it, see tests/windows/. */
  readonly windows?: boolean;
  /** It can have only so many open files. */
  readonly files?: number;
  /** It can write only files of so many KiB. */
  readonly fileKb?: number;
  /** What the shell does before it becomes the server, as `exec 2>&-`. */
  readonly before?: string;
  /** File permissions bind it, also when root runs it. */
  readonly permissions?: boolean;
}

/** The start of a command line that makes file permissions bind root. */
export const OBEDIENT: readonly string[] = [
  "setpriv",
  "--bounding-set=-dac_override,-dac_read_search",
  "--inh-caps=-dac_override,-dac_read_search",
];

/** Why {@linkcode Setting.permissions} mean nothing here, if it is so. */
export const noPermissions: string | undefined = await whyNoPermissions();

async function whyNoPermissions(): Promise<string | undefined> {
  if (Deno.build.os === "windows") return "Windows has other permissions";
  if (Deno.uid() !== 0) return undefined;
  const [program, ...args] = [...OBEDIENT, "true"];
  try {
    const { success } = await new Deno.Command(program!, { args }).output();
    return success ? undefined : "setpriv may not keep root from anything";
  } catch {
    return "there is no setpriv, which keeps root from something";
  }
}

/** A server process. */
export class Process implements AsyncDisposable {
  readonly out: Output;
  readonly err: Output;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  /** See {@linkcode Setting}. */
  constructor(args: readonly string[], setting: Setting = {}) {
    const { before, files, fileKb, permissions, script: other, windows } =
      setting;
    const run = other ? ["run", "-A", "--cached-only", other] : RUN;
    const server = [
      ...(permissions && Deno.uid() === 0 ? OBEDIENT : []),
      ...(windows
        ? [WINDOWS_DENO, ...run.with(-1, "server.ts")]
        : [Deno.execPath(), ...run]),
      ...args,
    ];
    const script = [
      ...(files ? [`ulimit -n ${files}`] : []),
      // Without a signal: what is written beyond fails, as on a full disk.
      ...(fileKb ? [`trap "" XFSZ; ulimit -S -f ${2 * fileKb}`] : []), // x 512 B
      ...(before ? [before] : []),
    ];
    const limited = [...script, 'exec "$@"'].join("; ");
    const [program = "", ...rest] = script.length > 0
      ? ["sh", "-c", limited, "sh", ...server]
      : server;
    this.#child = new Deno.Command(program, {
      args: rest,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
      ...(other ? { cwd: dirname(other) } : {}),
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.out = new Output(this.#child.stdout);
    this.err = new Output(this.#child.stderr);
  }

  /** Takes the limit of `fileKb` away. */
  async makeRoom(): Promise<void> {
    const limit = [`--pid=${this.#child.pid}`, "--fsize=unlimited"];
    const { success } = await new Deno.Command("prlimit", { args: limit })
      .output();
    if (!success) throw new Error("Cannot take the limit of file sizes away");
  }

  async port(): Promise<number> {
    const [, port] = await this.out.until(
      /Listening on port (\d+)(?: with TLS)?[.,]/,
    );
    return Number(port);
  }

  /** Writes to its standard input. */
  async type(text: string | Uint8Array): Promise<void> {
    await this.#input.write(
      typeof text === "string" ? encoder.encode(text) : text,
    );
  }

  /** Ends its standard input. */
  async endInput(): Promise<void> {
    await this.#input.close();
  }

  /** Waits until it ends by itself; returns the exit code. */
  async exitCode(): Promise<number> {
    await within(
      Promise.all([this.out.toEnd(), this.err.toEnd()]),
      () => `the exit after "${this.out.text}"`,
    );
    return (await this.#child.status).code;
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end; returns the exit code. */
  async stop(signal: Deno.Signal): Promise<number> {
    this.#child.kill(signal);
    const { code } = await within(this.#child.status, () => "the exit");
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#input.abort().catch(() => {}); // it may be closed already
    await Promise.all([this.out.toEnd(), this.err.toEnd()]);
    await this.#child.status;
  }
}
