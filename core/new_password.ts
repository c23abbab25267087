/**
 * What a password must be for a new account. The clients check it, since a server
 * never sees a password. Both load this when a user signs up, and not before.
 *
 * The rules are those of NIST SP 800-63B, section 3.1.1.2: a least length, and a
 * list of passwords that are guessed first. There are no rules about digits or
 * capitals. A user who signs in to an existing account can have any password.
 *
 * @module
 */
import { COMMON_PASSWORDS } from "./common_passwords.ts";
import { preparePassword, ScramError } from "./scram.ts";

/** The least length of a new password, in code points of its prepared form. */
export const MIN_PASSWORD_LENGTH = 8;

/**
 * Checks the password of a new account, as it was typed.
 *
 * @throws {ScramError} If it cannot be used or is guessed easily: too short, one
 * of the {@linkcode COMMON_PASSWORDS} in any case, the user's name with at most
 * digits and signs, a few characters that repeat, or a run such as `abcdefgh`.
 */
export function checkNewPassword(name: string, typed: string): void {
  const password = preparePassword(typed);
  const { length } = [...password];
  if (length < MIN_PASSWORD_LENGTH) {
    const count = length === 1 ? "1 character" : `${length} characters`;
    throw unfit(`it has ${count}, and needs at least ${MIN_PASSWORD_LENGTH}`);
  }
  const folded = password.toLowerCase();
  const own = name.toLowerCase();
  const beside = folded.replaceAll(own, "");
  if (beside === "") throw unfit("it is only your name");
  if (folded.includes(own) && /^[\p{N}\p{P}\p{S}\p{Z}]*$/u.test(beside)) {
    throw unfit("it is only your name, with digits or signs");
  }
  const points = [...folded];
  const period = periodOf(points);
  if (period !== undefined) {
    const what = period === 1 ? "one character" : `${period} characters`;
    throw unfit(`it is ${what}, repeated`);
  }
  if (COMMON_PASSWORDS.split(" ").includes(folded)) {
    throw unfit("many people use it, and it is guessed first");
  }
  if (isRun(points)) throw unfit("its characters follow each other in order");
}

/** How many characters repeat to its end, as the 2 of `abababa`; at most 4. */
function periodOf(points: readonly string[]): number | undefined {
  return [1, 2, 3, 4].find((period) =>
    points.every((one, i) => i < period || one === points[i - period])
  );
}

/** Whether it counts up or down, as `abcdefgh` and `87654321` do. */
function isRun(points: readonly string[]): boolean {
  const codes = points.map((one) => one.codePointAt(0)!);
  return [1, -1].some((step) =>
    codes.every((code, i) => i === 0 || code - codes[i - 1]! === step)
  );
}

/**
 * Checks a password that was typed twice, as {@linkcode checkNewPassword} does.
 *
 * @throws {ScramError} Also if the two are different.
 */
export function checkRepeated(
  name: string,
  typed: string,
  repeated: string,
): void {
  checkNewPassword(name, typed);
  if (typed === repeated) return;
  throw new ScramError("The two passwords are different");
}

function unfit(why: string): ScramError {
  return new ScramError(
    `Cannot use the password: ${why}. Choose another, such as three words`,
  );
}
