/**
 * A class behind one address, with accounts, a moderator and private rooms, while
 * its server is restarted and killed. In the end the views of all devices equal what
 * the server's file has, and no frame showed a user what was not for that user.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../../tools/net/within.ts";
import { tempFolder } from "../../tools/temp.ts";
import { check, type Compared } from "./check.ts";
import { School } from "./school.ts";
import { Slot } from "./slot.ts";

/** What a run is made of. */
export interface ClassOptions {
  readonly seed: number;
  /** How long the class acts, and how often, at least. */
  readonly forMs: number;
  readonly actions: number;
  /** How many users there are; the first is a moderator. */
  readonly users: number;
  /** How many devices each has. */
  readonly devices: number;
  /** How many private rooms there are. */
  readonly privateRooms: number;
  /** About the pause between two actions of a device, in milliseconds. */
  readonly pauseMs: number;
  /** Is told what happens. */
  readonly log: (line: string) => void;
}

/** What happens to the server, in equal parts of the time. */
const FAULTS = ["restart", "kill", "restart"] as const;

/** How often it is looked whether it is time, in milliseconds. */
const LOOK_MS = 50;

/** How long the last actions may take, in milliseconds. */
const SETTLE_MS = 60_000;

/** See the top of the file; throws if something does not hold. */
export async function runClass(options: ClassOptions): Promise<Compared> {
  using folder = tempFolder();
  const { seed, users, devices, log } = options;
  await using school = await School.open({ seed, users, folder: folder.path });
  {
    await using slots = new AsyncDisposableStack();
    const all = await enterAll(school, options, slots);
    log(`${users} users with ${devices} devices each are there`);
    await live(school, all, options);
    const settled = Promise.all(all.map((slot) => slot.settled()));
    await within(settled, () => story(school, all), SETTLE_MS);
    await school.node.end();
    const compared = check(
      school.model,
      school.devices,
      `${folder.path}/chat.db`,
    );
    tell(school, compared, log);
    assertEquals(school.model.faults, []);
    return compared;
  }
}

/** All sign in, and join their rooms. */
async function enterAll(
  school: School,
  { devices, privateRooms, pauseMs }: ClassOptions,
  stack: AsyncDisposableStack,
): Promise<Slot[]> {
  const slots = school.users.flatMap((user, i) =>
    Array.from({ length: devices }, (_, number) => {
      const kind = (i + number) % 2 === 0 ? "terminal" : "page";
      const seed = school.chance.below(2 ** 31);
      return stack.use(new Slot(school, { user, kind, seed, pauseMs }));
    })
  );
  for (const slot of slots) await slot.begin();
  for (let i = 0; i < privateRooms; i++) {
    await school.makeGroup(i, privateRooms);
  }
  return slots;
}

/** Has all act for so long and so often, with faults of the server on the way. */
async function live(
  school: School,
  slots: readonly Slot[],
  { forMs, actions }: ClassOptions,
): Promise<void> {
  const begun = performance.now();
  const isAt = (part: number) =>
    slots.reduce((sum, { acted }) => sum + acted, 0) >= part * actions &&
    performance.now() - begun >= part * forMs;
  const acting = Promise.all(slots.map((slot) => slot.act()));
  const until = async (part: number) => {
    while (!isAt(part)) await Promise.race([sleep(LOOK_MS), acting]);
  };
  for (const [i, fault] of FAULTS.entries()) {
    await until((i + 1) / (FAULTS.length + 1));
    if (fault === "kill") await school.node.kill();
    else await school.node.end();
    await school.node.up();
  }
  await until(1);
  school.endActions();
  await within(acting, () => story(school, slots), SETTLE_MS);
}

/** What is not over, and what went wrong. */
function story({ model }: School, slots: readonly Slot[]): string {
  const doing = slots.map((slot) => slot.doing).filter(Boolean);
  return [...doing, ...model.faults].join("\n");
}

function tell(
  { taken, refusalsMs }: School,
  { stored, shown }: Compared,
  log: (line: string) => void,
): void {
  log([...taken].map(([name, count]) => `${name} ${count}`).sort().join(", "));
  const of = (times: number[]) => {
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? 0;
    return `${median.toFixed(2)} ms of ${times.length}`;
  };
  log(
    `median time of a refusal: ${of(refusalsMs.there)} for private rooms, ` +
      `${of(refusalsMs.nowhere)} for rooms that are not there`,
  );
  log(`${stored} messages stored, ${shown} of them shown, by devices`);
}
