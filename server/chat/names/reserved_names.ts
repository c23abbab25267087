/**
 * Names that no user gets, beside those of protocol.ts: a user who has one would
 * be taken for staff, or for the server.
 *
 * @module
 */
import { shapeOf } from "./similar_names.ts";

/** People who have a say: also with a number behind, such as `admin2`. */
const STAFF =
  "admin administrator instructor mod moderator operator root staff teacher";

/** Before and behind a word for staff, as in `sysadmin` and `Teachers`. */
const [BEFORE, BEHIND] = [["", "super", "sys", "the"], ["", "s"]];

/** The server, and the own user, whom clients show as `you`: also with a number. */
const SERVER = "parley server system you";

/** Without a number: `host1` is a computer of a class. */
const ALONE = "host";

/** Letters for digits, as in `t34cher`: only a known word is read so. */
const READ_AS: Readonly<Record<string, string>> = { 3: "e", 4: "a", 7: "t" };

/** The words that may have a number, by the shapes of their forms. */
const NUMBERED: ReadonlyMap<string, string> = new Map([
  ...STAFF.split(" ").flatMap((word) =>
    BEFORE.flatMap((before) =>
      BEHIND.map((behind) => entry(`${before}${word}${behind}`, word))
    )
  ),
  ...SERVER.split(" ").map((word) => entry(word, word)),
]);
const ALONE_SHAPE = shapeOf(ALONE);

/** The reserved word that `name` is, is made of, or looks like. */
export function reservedWord(name: string): string | undefined {
  const shape = wordShape(name);
  if (shape === ALONE_SHAPE) return ALONE;
  return NUMBERED.get(shape) ??
    NUMBERED.get(wordShape(name.replace(/[0-9]+$/, "")));
}

function entry(form: string, word: string): [shape: string, word: string] {
  return [shapeOf(form), word];
}

function wordShape(name: string): string {
  return shapeOf(name.replaceAll(/[347]/g, (digit) => READ_AS[digit]!));
}
