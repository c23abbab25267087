/**
 * Writes server/chat/names/confusables.ts: `deno task names`. It has what Unicode
 * says of letters and digits in the data of UTS #39, confusables.txt. The package
 * `unhomoglyph` has this data as JSON: from each character, or text, to the one
 * that stands for all that are drawn alike.
 */
import DATA from "unhomoglyph/data.json" with { type: "json" };

/** The generated file, from the top. */
export const GENERATED = "server/chat/names/confusables.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** How a text of letters and digits is drawn: UTS #39 calls it the skeleton. */
function skeleton(text: string, data: Readonly<Record<string, string>>) {
  return [...text].map((one) => data[one] ?? one).join("");
}

/** The source of {@linkcode GENERATED} by the data. */
export function confusables(
  data: Readonly<Record<string, string>> = DATA,
): string {
  const drawn = (one: string) => skeleton(one, data);

  const digits = [..."0123456789"].map((digit) => {
    const alike = [...LETTERS].filter((letter) =>
      [letter, capital(letter)].some((one) => drawn(one) === drawn(digit))
    );
    return [digit, alike.join("")];
  });
  const sequences = [...LETTERS, ...capital(LETTERS)].map((letter) => {
    const alike = drawn(letter);
    const isSequence = /^[A-Za-z0-9]{2,}$/.test(alike);
    return [letter, isSequence ? alike : ""];
  });
  return `${HEAD}
/** The letters that are drawn like a digit, in one case at least. */
export const DIGITS = ${record(digits)} as const;

/** What is drawn like one letter. */
export const SEQUENCES = ${record(sequences)} as const;

/** What other characters are drawn like letters and digits, or several of them. */
// deno-fmt-ignore -- a line for each
export const OTHERS: Readonly<Record<string, string>> = {
${others(data)}};
`;
}

/** The lines of the characters of other scripts; those that NFKC replaces are not needed. */
function others(data: Readonly<Record<string, string>>): string {
  const ours = [..."0123456789", ...capital(LETTERS), ...LETTERS];
  const drawnAs = new Map(ours.map((one) => [skeleton(one, data), one]));
  const found = Object.entries(data).filter(([one]) =>
    [...one].length === 1 && one > "\x7f" && one.normalize("NFKD") === one
  ).map(([one, drawn]) => [drawnAs.get(drawn) ?? drawn, one] as const)
    .filter(([drawn]) => /^[A-Za-z0-9]+$/.test(drawn));
  const lines = [...Map.groupBy(found, ([drawn]) => drawn)].sort()
    .map(([drawn, all]) => {
      const escaped = all.map(([, one]) =>
        `\\u{${one.codePointAt(0)!.toString(16)}}`
      );
      const name = /^\d/.test(drawn) ? `"${drawn}"` : drawn;
      return `  ${name}: "${escaped.join("")}",\n`;
    });
  return lines.join("");
}

function capital(letters: string): string {
  return letters.toUpperCase();
}

function record(rows: readonly string[][]): string {
  const fields = rows.filter(([, value]) => value !== "")
    .map(([name, value]) =>
      `${/\d/.test(name!) ? `"${name}"` : name}: "${value}"`
    );
  return `{ ${fields.join(", ")} }`;
}

const HEAD = `/**
 * What Unicode says of letters and digits that are drawn alike: the part of
 * confusables.txt (UTS #39) that is about A-Z, a-z and 0-9.
 *
 * \`deno task names\` writes this file. The data is © Unicode, Inc., under
 * the Unicode License.
 *
 * @module
 */
`;

if (import.meta.main) await Deno.writeTextFile(GENERATED, confusables());
