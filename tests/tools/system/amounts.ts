/**
 * How much tests move that do the same many times.
 *
 * @module
 */
import { SYSTEM } from "../../../platform/system.ts";

/**
 * The part of `count` that is enough on Windows: a tenth. There each file and each
 * program is slow, with Wine by more than ten times, and Linux tries all of it.
 */
export function enough(count: number): number {
  return SYSTEM === "windows" ? Math.ceil(count / 10) : count;
}

/**
 * How many clients a class of one process has that reconnects all the time: thirty, and
 * ten on Windows. With thirty and their proxies, on a busy machine with Wine one turn
 * of that process takes eight seconds. Then no attempt has an answer in its ten
 * seconds, and each further one makes it worse.
 */
export const PUPILS = SYSTEM === "windows" ? 10 : 30;
