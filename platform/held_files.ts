/**
 * Files that another program holds for a moment. On Windows virus scanners, the
 * search index and OneDrive open each new file, and meanwhile no program can rename,
 * remove or open it. A next attempt succeeds, usually within milliseconds.
 *
 * On other systems an open file can be renamed and removed, and the same errors
 * mean that the user may not do it: there is one attempt.
 *
 * @module
 */
import { CLOCK, type Clock } from "../core/net/backoff.ts";
import { SYSTEM, type System } from "./system.ts";
import { errorNumber } from "./system_error.ts";

/** Attempts are repeated for so long, in milliseconds. */
export const HELD_MS = 5_000;

/** The first pause and the longest, in milliseconds. */
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 320;

/** Which system this is, and how the pauses are made. Tests pass their own. */
export interface HeldOptions {
  readonly system?: System | undefined;
  readonly clock?: Pick<Clock, "now" | "sleep"> | undefined;
}

/**
 * What `task` resolves with. It is repeated while another program holds a file.
 *
 * @throws What the last attempt threw.
 */
export async function whileHeld<T>(
  task: () => Promise<T>,
  { system = SYSTEM, clock = CLOCK }: HeldOptions = {},
): Promise<T> {
  const end = clock.now() + HELD_MS;
  for (let pause = FIRST_PAUSE_MS;; pause = longer(pause)) {
    try {
      return await task();
    } catch (error) {
      if (!isHeld(error, system) || clock.now() + pause > end) throw error;
      await clock.sleep(pause, new AbortController().signal);
    }
  }
}

/**
 * The same for a task that waits for nothing: the program stands still between
 * attempts. For the start, and for what a user does seldom.
 *
 * @throws What the last attempt threw.
 */
export function whileHeldSync<T>(
  task: () => T,
  { system = SYSTEM, pause = standStill }: {
    readonly system?: System;
    readonly pause?: (ms: number) => void;
  } = {},
): T {
  let left = HELD_MS;
  for (let ms = FIRST_PAUSE_MS;; ms = longer(ms)) {
    try {
      return task();
    } catch (error) {
      if (!isHeld(error, system) || ms > left) throw error;
      pause(ms);
      left -= ms;
    }
  }
}

/** Whether the system says that another program holds the file, or may do so. */
export function isHeld(error: unknown, system: System): boolean {
  if (system !== "windows" || !(error instanceof Error)) return false;
  const code = "code" in error ? `${error.code}` : "";
  return HELD_CODES.has(code) || HELD_NUMBERS.has(errorNumber(error));
}

/** Windows says "access denied" also of files that are being removed. */
const HELD_CODES = new Set(["EBUSY", "EPERM", "EACCES", "ENOTEMPTY"]);

/**
 * The numbers of winerror.h: ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION,
 * ERROR_LOCK_VIOLATION, ERROR_DIR_NOT_EMPTY, ERROR_DELETE_PENDING and
 * ERROR_USER_MAPPED_FILE. Deno has codes for some of them only.
 */
const HELD_NUMBERS = new Set(["5", "32", "33", "145", "303", "1224"]);

function longer(pause: number): number {
  return Math.min(2 * pause, LONGEST_PAUSE_MS);
}

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
