/** Files that another program holds for a moment. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  HELD_MS,
  isHeld,
  whileHeld,
  whileHeldSync,
} from "../../platform/held_files.ts";
import type { System } from "../../platform/system.ts";
import { FakeClock } from "../tools/test_clock.ts";

/** An error of the system as Deno has it, with a code if Deno knows one. */
function systemError(number: number, code?: string): Error {
  const error = new Error(`As Windows says it. (os error ${number}): rename`);
  return code === undefined ? error : Object.assign(error, { code });
}

const ERRORS: readonly [what: string, error: unknown, held: boolean][] = [
  ["an open file", systemError(32, "EBUSY"), true],
  ["an open file, without a code", systemError(32), true],
  ["a locked part", systemError(33), true],
  ["access denied", systemError(5, "EPERM"), true],
  ["a file being removed", systemError(303), true],
  ["a mapped file", systemError(1224), true],
  ["a folder whose files are being removed", systemError(145), true],
  ["no such file", systemError(2, "ENOENT"), false],
  ["a full disk", systemError(112), false],
  ["a file that exists", systemError(80, "EEXIST"), false],
  ["no permission for Deno", new Deno.errors.NotCapable("read"), false],
  ["no error", "EBUSY", false],
];

for (const [what, error, held] of ERRORS) {
  Deno.test(`isHeld() is ${held} for ${what}, and only on Windows`, () => {
    assertEquals(isHeld(error, "windows"), held);
    assertEquals(isHeld(error, "linux"), false);
    assertEquals(isHeld(error, "darwin"), false);
  });
}

/** A task that fails so often, and how often it ran. */
function failing(times: number, error = systemError(32, "EBUSY")) {
  const task = {
    runs: 0,
    sync(): string {
      if (++task.runs <= times) throw error;
      return "done";
    },
    async: () => Promise.try(task.sync),
  };
  return task;
}

Deno.test("whileHeld() repeats a task until the file is free", async () => {
  const clock = new FakeClock();
  const task = failing(4);

  assertEquals(
    await whileHeld(task.async, { system: "windows", clock }),
    "done",
  );
  assertEquals(clock.slept, [10, 20, 40, 80]);
});

Deno.test("whileHeld() gives up after five seconds, with the error", async () => {
  const clock = new FakeClock();
  const task = failing(Infinity);

  await assertRejects(
    () => whileHeld(task.async, { system: "windows", clock }),
    Error,
    "os error 32",
  );

  const slept = clock.slept.reduce((sum, ms) => sum + ms);
  assertEquals([slept <= HELD_MS, slept > HELD_MS - 500], [true, true]);
});

Deno.test("whileHeld() tries once on other systems, and with other errors", async () => {
  const cases: readonly [System, Error][] = [
    ["linux", systemError(1, "EPERM")],
    ["darwin", systemError(1, "EPERM")],
    ["windows", systemError(2, "ENOENT")],
  ];
  for (const [system, error] of cases) {
    const clock = new FakeClock();
    const task = failing(1, error);

    await assertRejects(() => whileHeld(task.async, { system, clock }));
    assertThrows(() => whileHeldSync(failing(1, error).sync, { system }));

    assertEquals([task.runs, clock.slept], [1, []]);
  }
});

Deno.test("whileHeldSync() stands still between attempts, five seconds at most", () => {
  const paused: number[] = [];
  const options = {
    system: "windows",
    pause: (ms: number) => void paused.push(ms),
  } as const;

  assertEquals(whileHeldSync(failing(3).sync, options), "done");
  assertEquals(paused, [10, 20, 40]);

  paused.length = 0;
  assertThrows(() => whileHeldSync(failing(Infinity).sync, options));
  const sum = paused.reduce((sum, ms) => sum + ms);
  assertEquals([sum <= HELD_MS, sum > HELD_MS - 500], [true, true]);
});
