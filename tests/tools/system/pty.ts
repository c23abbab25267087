/**
 * A pseudo-terminal whose other end the test has: it says when the terminal is read,
 * and when it goes away. tmux always reads, and script(1) types nothing while it
 * cannot print.
 *
 * @module
 */
import { dirname } from "node:path";
import { PATIENCE_MS, within } from "../net/within.ts";
import { SERVER } from "../server_process.ts";
import { needs } from "./skips.ts";
import { tempFolder } from "../temp.ts";

/** A test on a {@linkcode Pty}, where the system has it. */
export function ptyTest(name: string, fn: () => Promise<void>): void {
  Deno.test(needs("pseudo-terminals of Linux", { name, fn }));
}

/** What the system's C library does. */
let libc: ReturnType<typeof openLibc>;

function openLibc() {
  return Deno.dlopen("libc.so.6", {
    posix_openpt: { parameters: ["i32"], result: "i32" },
    unlockpt: { parameters: ["i32"], result: "i32" },
    ptsname_r: { parameters: ["i32", "buffer", "usize"], result: "i32" },
    read: {
      parameters: ["i32", "buffer", "usize"],
      result: "isize",
      nonblocking: true,
    },
    open: { parameters: ["buffer", "i32"], result: "i32" },
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  }).symbols;
}

/** O_RDWR, O_NOCTTY and O_CLOEXEC of Linux: no child holds our end. */
const FLAGS = 0o2 | 0o400 | 0o2000000;

/** O_NONBLOCK of Linux. */
const NONBLOCK = 0o4000;

/** Runs "$@" on the terminal "$0", as the leader of its session. */
const ON_TERMINAL = 'exec setsid -c "$@" <"$0" >"$0" 2>"$0"';

/**
 * A terminal that takes nothing for so many rounds is full. The system moves what
 * was written on in a thread of its own, which on a busy machine is late.
 */
const FULL_ROUNDS = 30;

/** A system call of Linux: write, to standard output or error. */
const WRITES_TERMINAL = Deno.build.arch === "x86_64"
  ? /^1 0x[12] /
  : /^64 0x[12] /;

/** Where Deno has its cache, for an environment without a home. */
export function denoCache(): Record<string, string> {
  const folder = Deno.env.get("DENO_DIR") ??
    `${Deno.env.get("HOME")}/.cache/deno`;
  return { DENO_DIR: folder };
}

/** How a program is run on a {@linkcode Pty}. */
export interface PtyOptions {
  /** In place of TERM=xterm-256color, TZ=UTC and NO_COLOR=1. */
  readonly env?: Record<string, string>;
  /** Starts without any other variable of ours. */
  readonly clearEnv?: boolean;
  /** As stty(1) sets it. Default: 24 rows of 80 columns. */
  readonly size?: Size;
  /** The terminal is full before the program starts; see {@linkcode Pty.fill}. */
  readonly isFull?: boolean;
}

interface Size {
  readonly rows: number;
  readonly cols: number;
}

/** Runs a program of ours after `stub`. */
export async function runAfter(
  stub: string,
  args: readonly string[],
  options?: PtyOptions,
): Promise<Pty> {
  using folder = tempFolder();
  const preload = `${folder.path}/preload.ts`;
  await Deno.writeTextFile(preload, stub);
  const how = ["run", "-qA", "--cached-only", "--preload", preload];
  const pty = await Pty.run([Deno.execPath(), ...how, ...args], options);
  await pty.until(/\S/);
  return pty;
}

/** A program on a terminal. */
export class Pty implements AsyncDisposable {
  /** All that was read, escape sequences included. */
  text = "";
  readonly #fd: number;
  readonly #path: string;
  readonly #decoder = new TextDecoder();
  readonly #child: Deno.ChildProcess;
  #isClosed = false;
  #held: number | undefined; // the program's end, until the program has it

  private constructor(fd: number, path: string, child: Deno.ChildProcess) {
    this.#fd = fd;
    this.#path = path;
    this.#child = child;
    this.#held = open(path);
  }

  /** Runs a program. */
  static async run(
    command: readonly string[],
    { env, clearEnv = false, size = USUAL, isFull = false }: PtyOptions = {},
  ): Promise<Pty> {
    libc ??= openLibc();
    const fd = libc.posix_openpt(FLAGS);
    const name = new Uint8Array(64);
    if (libc.unlockpt(fd) || libc.ptsname_r(fd, name, 64n)) {
      throw new Error("Cannot open a pseudo-terminal");
    }
    const path = decoder.decode(name.subarray(0, name.indexOf(0)));
    await setSize(path, size);
    if (isFull) await fill(path);
    const child = new Deno.Command("sh", {
      args: ["-c", ON_TERMINAL, path, ...command],
      cwd: dirname(SERVER),
      stdin: "null",
      clearEnv,
      env: {
        ...(clearEnv ? { PATH: Deno.env.get("PATH")! } : {}),
        ...(env ?? { TERM: "xterm-256color", TZ: "UTC", NO_COLOR: "1" }),
      },
    }).spawn();
    return new Pty(fd, path, child);
  }

  /** Reads until `wanted` came, and gives its match. */
  async until(wanted: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = wanted.exec(this.text);
      if (found) return found;
      const isOpen = await within(
        this.#read(),
        () => `${wanted} in ${JSON.stringify(this.text.slice(-2_000))}`,
      );
      if (!isOpen) throw new Error(`The end, and no ${wanted}: ${this.text}`);
    }
  }

  /** Reads to the end of the program. */
  async rest(): Promise<string> {
    const from = this.text.length;
    while (await within(this.#read(), () => this.text.slice(-2_000)));
    return this.text.slice(from);
  }

  /** Writes to the terminal until it takes nothing: so it is when nothing reads. */
  async fill(): Promise<void> {
    await fill(this.#path);
  }

  /** Waits until the program waits for the terminal to take what it writes. */
  async isStuck(): Promise<void> {
    const tasks = `/proc/${this.#child.pid}/task`;
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      for await (const { name } of Deno.readDir(tasks)) {
        const call = await Deno.readTextFile(`${tasks}/${name}/syscall`)
          .catch(() => ""); // that thread has ended
        if (WRITES_TERMINAL.test(call)) return;
      }
      // The system may make room later than fill() has waited for.
      await topUp(this.#path);
    }
    throw new Error("The program does not wait for its terminal");
  }

  /** Types text, or bytes. */
  type(keys: string | Uint8Array): void {
    const bytes = typeof keys === "string" ? encoder.encode(keys) : keys;
    const written = libc.write(
      this.#fd,
      new Uint8Array(bytes),
      BigInt(bytes.length),
    );
    if (Number(written) !== bytes.length) throw new Error("Cannot type");
  }

  /**
   * Types `text` in parts, each from within a character to within the next one, and
   * after `cut` bytes of it. The program shows a character before the next part.
   */
  async typeCut(text: string, cut: number): Promise<void> {
    let shown = "";
    let left: Uint8Array = new Uint8Array(); // of the character before
    for (const char of text) {
      const bytes = encoder.encode(char);
      const at = Math.min(cut, bytes.length - 1);
      this.type(new Uint8Array([...left, ...bytes.subarray(0, at)]));
      await this.until(new RegExp(`${RegExp.escape(shown)}$`));
      left = bytes.subarray(at);
      shown += char;
    }
    this.type(left);
    await this.until(new RegExp(`${RegExp.escape(shown)}$`));
  }

  /** Changes the size: the program gets SIGWINCH. */
  async resize(size: Size): Promise<void> {
    await setSize(this.#path, size);
  }

  /** What stty(1) says of the terminal. */
  async mode(): Promise<string> {
    return await stty(this.#path, "-a");
  }

  /** Waits until stty(1) says so. */
  async untilMode(wanted: RegExp): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (let mode = ""; !wanted.test(mode);) {
      if (Date.now() > deadline) throw new Error(`No ${wanted} in ${mode}`);
      mode = await this.mode();
    }
  }

  /** Sets modes of the terminal by their names of stty(1). */
  async setMode(...modes: string[]): Promise<void> {
    await stty(this.#path, ...modes);
  }

  /** Sends a signal to the program. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for the end of the program; its exit code. */
  async exitCode(): Promise<number> {
    const { code } = await within(this.#child.status, () => "the exit");
    return code;
  }

  /** The terminal goes away. */
  hangUp(): void {
    if (!this.#isClosed) libc.close(this.#fd);
    this.#isClosed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    this.#letGo();
    this.hangUp();
  }

  #letGo(): void {
    if (this.#held !== undefined) libc.close(this.#held);
    this.#held = undefined;
  }

  /** @returns False at the end. */
  async #read(): Promise<boolean> {
    const buffer = new Uint8Array(4_096);
    const count = Number(await libc.read(this.#fd, buffer, 4_096n));
    if (count <= 0) return false;
    this.#letGo();
    const bytes = buffer.subarray(0, count);
    this.text += this.#decoder.decode(bytes, { stream: true });
    return true;
  }
}

const USUAL: Size = { rows: 24, cols: 80 };

function open(path: string, flags = 0): number {
  return libc.open(encoder.encode(`${path}\0`), FLAGS | flags);
}

/** The kernel moves what was written a moment later, so there is room again. */
async function fill(path: string): Promise<void> {
  for (let idle = 0; idle < FULL_ROUNDS; idle++) {
    if (await topUp(path)) idle = 0;
  }
}

/** One round of that. @returns Whether there was room. */
async function topUp(path: string): Promise<boolean> {
  let hadRoom = false;
  const fd = open(path, NONBLOCK);
  for (const size of [4_096, 1]) {
    const bytes = new Uint8Array(size).fill(0x23);
    while (libc.write(fd, bytes, BigInt(size)) > 0n) hadRoom = true;
  }
  libc.close(fd);
  await new Promise((resolve) => setTimeout(resolve, 10));
  return hadRoom;
}

function setSize(path: string, { rows, cols }: Size): Promise<string> {
  return stty(path, "rows", `${rows}`, "cols", `${cols}`);
}

async function stty(path: string, ...args: string[]): Promise<string> {
  const { stdout, success } = await new Deno.Command("stty", {
    args: ["-F", path, ...args],
  }).output();
  if (!success) throw new Error(`stty ${args}`);
  return decoder.decode(stdout);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
