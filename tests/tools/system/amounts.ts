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
