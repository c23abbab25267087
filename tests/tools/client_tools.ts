/**
 * Tools for the tests of the client: a server that sends what the test wants, a
 * client as a process, and a client on a terminal (tmux).
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { Access } from "../../client/chat/access.ts";
import { Failure, failureOf } from "../../client/view/failure.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { FrameDecoder, frames, startLine } from "../../protocol.ts";
import { ChatError } from "../../protocol.ts";
import { startServer } from "../../server/start.ts";
import { listenHere, UNHURRIED } from "./net/test_server.ts";
import { WINDOWS_DENO } from "./system/programs.ts";
import { PATIENCE_MS, within } from "./net/within.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The access of a guest, who is never asked for a password. */
export function guestAccess(): Access {
  return new Access({
    way: "guest",
    passwordFile: undefined,
    terminal: undefined,
  });
}

/** The exit code of a client that `error` ends. */
export function exitCodeOf(error: Error): number {
  const failure = failureOf(error);
  if (failure instanceof Failure) return failure.exitCode;
  throw error;
}

/** A real server, on a free port unless told otherwise, that logs nothing. */
export function quietServer(port = 0): ReturnType<typeof startServer> {
  return startServer({ ...UNHURRIED, tcp: listenHere(port), log: () => {} });
}

/** A terminal without input: `print` gets what is shown. */
export function recordingTerminal(print: (text: string) => void): Terminal {
  return {
    kind: "plain",
    typed: "",
    columns: Infinity,
    print,
    flushed: () => Promise.resolve(),
    prompt: print,
    status: (rows) => rows.forEach(print),
    ask: () => Promise.resolve(undefined),
    askSecret: () => Promise.resolve(undefined),
    read: () => Promise.resolve(undefined),
    clear: () => {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** A server that understands nothing: the test decides what it sends. */
export class FakeServer implements Disposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  #isClosed = false;

  /** Listens on a free port, unless told otherwise. */
  constructor(port = 0) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.port = this.#listener.addr.port;
  }

  /** Waits for the next client. */
  async accept(): Promise<FakePeer> {
    const accepted = this.#listener.accept();
    return new FakePeer(await within(accepted, () => "a client to connect"));
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.#listener.close();
    this.#isClosed = true;
  }
}

/** The server's end of one connection. */
export class FakePeer implements Disposable {
  /** The headers of the last request, by their names in lower case. */
  headers: Readonly<Record<string, string>> = {};
  readonly #conn: Deno.Conn;
  readonly #requests: AsyncGenerator<string>;
  #closed = false;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.#requests = this.#read();
  }

  /** Waits for a request; its start line and, after a line break, its body. */
  async request(): Promise<string> {
    const { value, done } = await this.#requests.next();
    return done ? "(end)" : value;
  }

  /** Sends `text`, byte for byte. */
  async say(text: string): Promise<void> {
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length;) {
      at += await this.#conn.write(bytes.subarray(at));
    }
  }

  /** Ends the connection, once the client has what was sent. */
  hangUp(): void {
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.#conn.close();
    this.#closed = true;
  }

  async *#read(): AsyncGenerator<string> {
    const incoming = new FrameDecoder({ maxBodyBytes: 1024 * 1024 });
    const chunks = {
      read: (buffer: Uint8Array) =>
        this.#conn.read(buffer).catch((error) => {
          if (error instanceof Deno.errors.ConnectionReset) return null;
          throw error;
        }),
    };
    for await (const batch of frames(chunks, incoming)) {
      for (const frame of batch) {
        if (frame instanceof ChatError) throw frame;
        this.headers = Object.fromEntries(frame.headers);
        const body = decoder.decode(frame.body);
        yield startLine(frame) + (body ? `\n${body}` : "");
      }
    }
  }
}

/** What a program printed, and how it ended. */
export interface Result {
  code: number;
  out: string;
  err: string;
}

/** How a client is run. */
export interface RunOptions {
  /** Default: all. */
  readonly permissions?: readonly string[];
  /** Default: `client.ts`. */
  readonly script?: string;
  /** Deno's build for Windows runs it, see tests/windows/. */
  readonly windows?: boolean;
  /** The longest file it may write, in the blocks of `ulimit -f`. */
  readonly fileBlocks?: number;
}

/** Runs a command for which longer files are an error, and not the end. */
const LIMITED = 'trap "" XFSZ; ulimit -f "$0"; exec "$@"';

/** The client as a process: no terminal. */
export class ClientProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #errors: ReadableStreamDefaultReader<string>;
  readonly #finished: Promise<unknown>;
  #out = "";
  #err = "";
  #ended = false;
  #changed = Promise.withResolvers<void>();

  constructor(
    args: string[],
    env: Record<string, string> = {},
    {
      permissions = ["-A"],
      script = "client.ts",
      windows = false,
      fileBlocks,
    }: RunOptions = {},
  ) {
    const deno = windows ? WINDOWS_DENO : Deno.execPath();
    const path = windows ? script : root + script;
    const run = ["run", "--no-prompt", ...permissions, path];
    const command = [deno, ...run, ...args];
    const limited = ["sh", "-c", LIMITED, `${fileBlocks}`, ...command];
    const [program = "", ...rest] = fileBlocks ? limited : command;
    this.#child = new Deno.Command(program, {
      args: rest,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { TZ: "UTC", ...env },
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    this.#errors = this.#child.stderr.pipeThrough(new TextDecoderStream())
      .getReader();
    this.#finished = Promise.all([
      this.#collect(this.#output, (text) => this.#out += text),
      this.#collect(this.#errors, (text) => this.#err += text),
    ]);
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What it has printed so far. */
  get out(): string {
    return this.#out;
  }

  /** Writes to its standard input. */
  async type(text: string | Uint8Array): Promise<void> {
    await this.#input.write(
      typeof text === "string" ? encoder.encode(text) : text,
    );
  }

  /** Waits until its standard output has `text`. */
  async until(text: string): Promise<void> {
    await this.#until(text, () => this.#out);
  }

  /** Waits until its standard error has `text`. */
  async untilError(text: string): Promise<void> {
    await this.#until(text, () => this.#err);
  }

  async #until(text: string, printed: () => string): Promise<void> {
    const overlap = text.length - 1; // the end of what was searched
    let from = 0; // so a long output is searched once, and not after each piece
    while (!printed().includes(text, from)) {
      from = Math.max(0, printed().length - overlap);
      const why = () => `no "${text}" in\n${printed()}`;
      if (this.#ended) throw new Error(`The client ended: ${why()}`);
      await within(this.#changed.promise, why);
    }
  }

  /** Stops reading what it prints, as `head` does. */
  async closeOutput(): Promise<void> {
    await this.#output.cancel();
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Ends its input, and waits for its end. */
  async end(): Promise<Result> {
    await this.#input.close().catch(() => {}); // it may be gone already
    return await this.ended();
  }

  /** Waits for its end while its input stays open, as after a signal. */
  async ended(): Promise<Result> {
    const ending = Promise.all([this.#child.status, this.#finished]);
    const [{ code }] = await within(
      ending,
      () => `the end of the client after "${this.#out}${this.#err}"`,
    );
    return { code, out: this.#out, err: this.#err };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.end();
  }

  async #collect(
    reader: ReadableStreamDefaultReader<string>,
    add: (text: string) => void,
  ): Promise<void> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      add(value);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    }
    this.#ended = true;
    this.#changed.resolve();
  }
}

/** A registered client without a terminal, whose direct sessions stay on this computer. */
export async function terminal(
  name: string,
  port: number,
  ...more: string[]
): Promise<ClientProcess> {
  const host = ["--direct-host", "127.0.0.1"];
  const args = [name, `127.0.0.1:${port}`, "--plain", ...host, ...more];
  const client = new ClientProcess(args);
  await client.until("you joined #default");
  return client;
}

/** Runs the client to its end with `input`. */
export async function runClient(
  args: string[],
  input: string | Uint8Array = "",
  env: Record<string, string> = {},
): Promise<Result> {
  await using client = new ClientProcess(args, env);
  await client.type(input).catch(() => {}); // it may have ended
  return await client.end();
}

/** A shell on a terminal that tmux draws. */
export class TmuxScreen implements AsyncDisposable {
  readonly #socket = `parley-${crypto.randomUUID()}`;
  /** The id of the shell's process, and of the session of all it starts. */
  #shell = "";
  #isGone = false;

  private constructor() {}

  /** Opens a terminal of `columns` by 24, with a shell on it. */
  static async open(columns = 80): Promise<TmuxScreen> {
    const screen = new TmuxScreen();
    const size = ["-x", `${columns}`, "-y", "24"];
    const shell = `exec env PS1='$ ' TZ=UTC bash --norc --noprofile`;
    await screen.#tmux("new-session", "-d", ...size, "-c", root, shell);
    screen.#shell = (await screen.#tmux("display", "-p", "#{pane_pid}")).trim();
    await screen.until("$");
    return screen;
  }

  /**
   * Starts the client with `args`, on an empty screen: what is left of another
   * must not be taken for what it shows.
   */
  async client(...args: string[]): Promise<void> {
    await this.line("clear");
    await this.until(/^\$$/);
    const command = [Deno.execPath(), "run", "-A", "client.ts", ...args];
    await this.type(`clear; ${command.join(" ")}; echo "code $?"`);
    await this.keys("Enter");
  }

  /** Types `text`, as it is. */
  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", "--", text);
  }

  /** Types `text`, and Enter. */
  async line(text: string): Promise<void> {
    if (text !== "") await this.type(text);
    await this.keys("Enter");
  }

  /** Presses keys by their tmux names. */
  async keys(...names: string[]): Promise<void> {
    await this.#tmux("send-keys", ...names);
  }

  /** Pastes `text`, marked as a paste if the client asked for that. */
  async paste(text: string): Promise<void> {
    await this.#tmux("set-buffer", "--", text);
    await this.#tmux("paste-buffer", "-p");
  }

  /** Changes the width, and waits until the kernel has it. */
  async resize(columns: number): Promise<void> {
    await this.#tmux("resize-window", "-x", `${columns}`, "-y", "24");
    const tty = (await this.#tmux("display", "-p", "#{pane_tty}")).trim();
    const stty = new Deno.Command("stty", { args: ["-F", tty, "size"] });
    while (
      decoder.decode((await stty.output()).stdout).trim() !== `24 ${columns}`
    );
  }

  /** Sends a signal to the program that runs on the terminal. */
  async kill(signal: Deno.Signal): Promise<void> {
    const args = ["-P", this.#shell];
    const children = new Deno.Command("pgrep", { args });
    const { stdout } = await children.output();
    Deno.kill(Number(decoder.decode(stdout)), signal);
  }

  /** What is on the screen, without trailing space. */
  async text(): Promise<string> {
    return (await this.#tmux("capture-pane", "-p")).trimEnd();
  }

  /** Everything since the start, rows that were wrapped joined. */
  async everything(): Promise<string> {
    return await this.#tmux("capture-pane", "-p", "-J", "-S", "-");
  }

  /** Waits until the screen has `wanted`, and gives the screen. */
  async until(wanted: string | RegExp): Promise<string> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const text = await this.text();
      if (
        typeof wanted === "string" ? text.includes(wanted) : wanted.test(text)
      ) {
        return text;
      }
      if (Date.now() > deadline) {
        throw new Error(`No ${JSON.stringify(`${wanted}`)} on\n${text}`);
      }
    }
  }

  /** The terminal goes away. */
  async hangUp(): Promise<void> {
    await this.#tmux("kill-server");
    this.#isGone = true;
  }

  /** Ends all that runs on it; a server would go on without its terminal. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isGone) await this.hangUp();
    const args = ["-KILL", "--session", this.#shell];
    await new Deno.Command("pkill", { args }).output();
  }

  async #tmux(...args: string[]): Promise<string> {
    const { stdout, stderr, success } = await new Deno.Command("tmux", {
      args: ["-L", this.#socket, "-f", "/dev/null", "-u", ...args],
      env: { TERM: "xterm-256color" },
    }).output();
    if (success) return decoder.decode(stdout);
    throw new Error(`tmux ${args[0]}: ${decoder.decode(stderr)}`);
  }
}
