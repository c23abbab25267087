/** Servers of a cluster that have nothing but their logs; see log_process.ts. */
import { fileURLToPath } from "node:url";
import { TextLineStream } from "@std/streams/text-line-stream";
import { PATIENCE_MS, within } from "../tools/net/within.ts";
import type { Order, Report } from "./log_process.ts";
import type { NatsServers } from "./nats_servers.ts";

const SCRIPT = fileURLToPath(new URL("log_process.ts", import.meta.url));

/** What a process shows of its copy of the log. */
export type Shown = Extract<Report, { readonly texts: unknown }>;

/** One of them. */
export class LogProcess implements AsyncDisposable {
  readonly name: string;
  /** All that it has told. */
  readonly reports: Report[] = [];
  /** Whether the test has killed it. */
  isKilled = false;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #hasEnded = false;
  #hear = Promise.withResolvers<void>();

  /** Starts it. It uses the server of NATS of that number first. */
  constructor(
    nats: NatsServers,
    name: string,
    { first = 0, database = ":memory:" }: {
      first?: number;
      database?: string;
    } = {},
  ) {
    this.name = name;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--cached-only", SCRIPT, name, database],
        ...nats.from(first),
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    const lines = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.reports.push(JSON.parse(line));
      this.#hear.resolve();
      this.#hear = Promise.withResolvers();
    }
    this.#hasEnded = true;
    this.#hear.resolve();
  }

  /** Tells it to do something. */
  tell(order: Order): void {
    const line = new TextEncoder().encode(`${JSON.stringify(order)}\n`);
    this.#input.write(line).catch(() => {}); // it was killed
  }

  /** The first report from `from` on that fits; `from` counts reports. */
  async until(
    fits: (report: Report) => boolean,
    { from = 0 }: { from?: number } = {},
  ): Promise<Report> {
    for (let at = from;; at++) {
      while (at >= this.reports.length) {
        const last = JSON.stringify(this.reports.slice(-6));
        if (this.#hasEnded) throw new Error(`${this.name} ended: ${last}`);
        await within(
          this.#hear.promise,
          () => `${fits} of ${this.name}: ${last}`,
        );
      }
      const report = this.reports[at]!; // there are more
      if (fits(report)) return report;
    }
  }

  /** Waits until it can append. */
  async ready(): Promise<void> {
    await this.until((report) => "ready" in report);
  }

  /** Says a text; resolves when it is in the log. */
  async say(text: string): Promise<void> {
    const from = this.reports.length;
    this.tell({ say: text });
    await this.until((report) => "said" in report && report.said === text, {
      from,
    });
  }

  /** Its copy of the log. */
  async show(): Promise<Shown> {
    const from = this.reports.length;
    this.tell({ show: true });
    const shown = await this.until((report) => "texts" in report, { from });
    return shown as Shown;
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.isKilled = true;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#input.abort().catch(() => {});
    await this.#reading;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** Waits until all have the same copy of the log; returns it. */
export async function equal(processes: readonly LogProcess[]): Promise<Shown> {
  for (const end = performance.now() + PATIENCE_MS;;) {
    const shown = await Promise.all(processes.map((one) => one.show()));
    const [first, ...rest] = shown.map((one) => ({ ...one, peers: [] }));
    const text = JSON.stringify(first);
    if (rest.every((one) => JSON.stringify(one) === text)) return shown[0]!;
    if (performance.now() > end) {
      throw new Error(
        `Not equal: ${
          shown.map(({ sequence, hash, texts }) =>
            `${sequence} ${hash} ${texts.length}`
          )
        }`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
