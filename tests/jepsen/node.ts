/**
 * One Parley server that the nemesis may hurt: its process, its folder, its clock,
 * and the proxies through which its clients reach it.
 *
 * @module
 */
import { FaultProxy } from "../tools/net/fault_proxy.ts";
import { WatchedServer } from "../tools/watched_server.ts";
import { empty } from "./programs.ts";

/** What a {@linkcode ParleyNode} is made of. */
export interface NodeOptions {
  readonly name: string;
  /** Its own, which exists; all that it stores is there. */
  readonly folder: string;
  /** The command line, without the ports. */
  readonly args: readonly string[];
  /** The library that makes its clock wrong, if there is one. */
  readonly clockLibrary: string | undefined;
  /** Is told what goes wrong that no fault explains. */
  readonly trouble: (who: string, what: string) => void;
}

/** How long it may take to start, and the pause before it is tried again. */
const START_MS = 60_000;
const AGAIN_MS = 1_000;

/** So many of its last lines are told, if it ends by itself. */
const LAST_LINES = 12;

/** See the top of the file. */
export class ParleyNode implements AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  /** Clients of the terminal's kind connect here. */
  readonly proxy: FaultProxy;
  /** Pages connect here. */
  readonly webProxy: FaultProxy;
  readonly #options: NodeOptions;
  #server: WatchedServer | undefined;

  private constructor(
    options: NodeOptions,
    proxy: FaultProxy,
    webProxy: FaultProxy,
  ) {
    this.name = options.name;
    this.folder = options.folder;
    this.proxy = proxy;
    this.webProxy = webProxy;
    this.#options = options;
  }

  static async start(options: NodeOptions): Promise<ParleyNode> {
    const proxies = [0, 1].map(() => FaultProxy.open({ target: 0 }));
    const [proxy, webProxy] = await Promise.all(proxies);
    const node = new ParleyNode(options, proxy!, webProxy!);
    if (options.clockLibrary) await node.skew(0);
    await node.up();
    return node;
  }

  /** Whether its process runs, or is stopped. */
  get runs(): boolean {
    return this.#server !== undefined;
  }

  /** Whether its process has ended although nobody ended it. */
  get hasEnded(): boolean {
    return this.#server?.ended ?? false;
  }

  /** Where it listens itself; for those that no fault concerns. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** The same for pages. */
  get webPort(): number {
    return this.webProxy.target;
  }

  /** Whether it tells clients that it is at this port of this computer. */
  isAt(port: number): boolean {
    return this.runs && [this.port, this.webPort].includes(port);
  }

  /** Starts it; again, if it cannot start yet because others do not run. */
  async up(): Promise<void> {
    const until = performance.now() + START_MS;
    for (;;) {
      try {
        return await this.#start();
      } catch (error) {
        if (performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  async #start(): Promise<void> {
    const { args, clockLibrary } = this.#options;
    const env = clockLibrary === undefined ? {} : {
      LD_PRELOAD: clockLibrary,
      FAKETIME_TIMESTAMP_FILE: this.#clockFile,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    const server = await WatchedServer.start([...args, "--web-port", "0"], env);
    const web = await server.line(/^ {2}http:\/\/127\.0\.0\.1:(\d+)\/$/);
    this.#server = server;
    this.proxy.target = server.port;
    this.webProxy.target = Number(web[1]);
    for (const proxy of this.#proxies) proxy.refuses = false;
  }

  /** Kills it, without warning. */
  async kill(): Promise<void> {
    const server = this.#takeDown();
    await server?.[Symbol.asyncDispose]();
    for (const proxy of this.#proxies) proxy.cutAll();
  }

  /** Asks it to end, and waits. */
  async end(): Promise<void> {
    await using server = this.#takeDown();
    if (!server || server.ended) return;
    const code = await server.stop();
    if (code !== 0) this.#options.trouble(this.name, `ended with ${code}`);
  }

  /** Deletes all that it stores; it must be down. */
  async wipe(): Promise<void> {
    await empty(this.folder);
  }

  /** Sends its process a signal: SIGSTOP, or SIGCONT. */
  signal(signal: Deno.Signal): void {
    this.#server?.signal(signal);
  }

  /** Types a command on its console. */
  async ask(command: string): Promise<string[]> {
    if (!this.#server) throw new Error(`Cannot ask ${this.name}: it is down`);
    return await this.#server.ask(command);
  }

  /** Sets its clock wrong by so many seconds. */
  async skew(seconds: number): Promise<void> {
    const shift = `${seconds < 0 ? "" : "+"}${seconds}`;
    await Deno.writeTextFile(this.#clockFile, shift);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    for (const proxy of this.#proxies) await proxy[Symbol.asyncDispose]();
  }

  get #proxies(): readonly FaultProxy[] {
    return [this.proxy, this.webProxy];
  }

  get #clockFile(): string {
    return `${this.folder}.clock`;
  }

  /** Its process, which is to end; tells what it did that nobody made it do. */
  #takeDown(): WatchedServer | undefined {
    const server = this.#server;
    this.#server = undefined;
    // Another program may get its port meanwhile.
    for (const proxy of this.#proxies) proxy.refuses = true;
    if (!server) return undefined;
    const { ended, errors, printed } = server;
    const { trouble } = this.#options;
    if (ended) {
      const last = printed.slice(-LAST_LINES).join("\n");
      trouble(this.name, `ended by itself, after\n${last}`);
    }
    if (errors !== "") trouble(this.name, `wrote to its errors: ${errors}`);
    return server;
  }
}
