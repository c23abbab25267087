/**
 * How much of the processors was taken by what is no part of the bench: by the
 * host of this machine, and by other programs. A part of a run that was disturbed
 * proves nothing.
 *
 * @module
 */

/** Shares of the time of all processors, 0 to 1. */
export interface Disturbance {
  /** Time that the host kept from this machine. */
  readonly stolen: number;
  /** Time that other programs used. */
  readonly others: number;
}

/** Counts from now on. */
export class DisturbanceMeter {
  readonly #own: readonly number[];
  readonly #before: Promise<Ticks>;

  /** @param own The processes of the bench, by their numbers. */
  constructor(own: readonly number[]) {
    this.#own = own;
    this.#before = readTicks(own);
  }

  async read(): Promise<Disturbance> {
    const [before, now] = [await this.#before, await readTicks(this.#own)];
    const all = Math.max(1, now.all - before.all);
    return {
      stolen: (now.stolen - before.stolen) / all,
      // Ticks are counted in two ways, so the difference may be below zero.
      others: Math.max(0, now.others - before.others) / all,
    };
  }
}

/** Hundredths of a second, of all processors. */
interface Ticks {
  readonly all: number;
  readonly stolen: number;
  readonly others: number;
}

async function readTicks(own: readonly number[]): Promise<Ticks> {
  const stat = await Deno.readTextFile("/proc/stat");
  const [, ...counts] = stat.slice(0, stat.indexOf("\n")).split(/\s+/);
  const kinds = counts.slice(0, 8).map(Number); // the rest is in these already
  const [user = 0, nice = 0, system = 0, , , , , stolen = 0] = kinds;
  const all = kinds.reduce((sum, count) => sum + count, 0);
  const used = (await Promise.all(own.map(ticksOf))).reduce((a, b) => a + b);
  return { all, stolen, others: user + nice + system - used };
}

/** What a process has used; see proc(5), /proc/pid/stat. */
async function ticksOf(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")")).split(" ");
  return Number(fields[12]) + Number(fields[13]);
}
