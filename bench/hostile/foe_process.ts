/**
 * The foes are a process of their own, which gives way to all others: in reality
 * they would be other computers. So it runs only when no other process wants to
 * (`chrt --idle`; with `nice` it would still keep a processor for 4 ms that the
 * server needs). On a busy machine it would never run.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { own } from "../peers/processes.ts";
import { type Foe, Tally } from "./foes/foe.ts";
import type { Transport } from "./foes/link.ts";
import { FOES } from "./foes/table.ts";

/** Which attack, and on what. */
export interface Attack {
  readonly kind: Foe["kind"];
  readonly transport: Transport;
  readonly port: number;
  /** From how many addresses. */
  readonly addresses: number;
}

/** Where an attack comes from: 127.0.0.1, or several from 127.0.1.1 on. */
export function addressesOf(count: number): (string | undefined)[] {
  if (count === 1) return [undefined]; // the system chooses ports fastest so
  return Array.from({ length: count }, (_, index) => `127.0.1.${1 + index}`);
}

/** An attack that goes on. Dispose to end it. */
export class FoeProcess implements AsyncDisposable {
  /** What it said last. */
  tally: Readonly<Tally> = new Tally();
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>;

  /** @param busy The machine has other work: then they do not give way to it. */
  constructor(attack: Attack, busy: boolean) {
    const script = fileURLToPath(import.meta.url);
    const program = [Deno.execPath(), "run", "-A", script];
    this.#process = new Deno.Command("/bin/sh", {
      args: [
        "-c",
        'ulimit -n "$(ulimit -Hn)"; exec "$@"',
        ...["sh", ...(busy ? [] : ["chrt", "--idle", "0"])],
        ...[...program, JSON.stringify(attack)],
      ],
      stdin: "null",
      stdout: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    own(this.#process);
    this.#reading = this.#read();
  }

  /** The number of the process. */
  get pid(): number {
    return this.#process.pid;
  }

  /**
   * Resolves when it has begun.
   *
   * @throws {Error} if it does not
   */
  async begun(): Promise<void> {
    const limit = performance.now() + BEGIN_LIMIT_MS;
    while (this.tally.tried === 0) {
      if (performance.now() > limit) throw new Error("The foe does nothing");
      await sleep(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended already, which its output has said.
    }
    await this.#process.status;
    await this.#reading;
  }

  async #read(): Promise<void> {
    let held = "";
    const { stdout } = this.#process;
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (held + text).split("\n");
      held = lines.pop()!;
      const last = lines.pop();
      if (last !== undefined) this.tally = JSON.parse(last);
    }
  }
}

const BEGIN_LIMIT_MS = 10_000;

/** How often the process says what it did. */
const TELL_EVERY_MS = 100;

/** The process itself. */
async function beFoe(attack: Attack): Promise<void> {
  const { kind, addresses } = attack;
  const foe = FOES.find((one) => one.kind === kind)!;
  const tally = new Tally();
  setInterval(() => console.log(JSON.stringify(tally)), TELL_EVERY_MS);
  await foe.start({ ...attack, from: addressesOf(addresses), tally });
}

if (import.meta.main) await beFoe(JSON.parse(Deno.args[0]!));
