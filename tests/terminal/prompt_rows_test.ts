/** How wide texts are, and what is drawn of a prompt and the line after it. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import stringWidth from "string-width";
import { place, width, wrap } from "../../terminal/columns.ts";
import { promptRows } from "../../terminal/prompt_rows.ts";

const WIDE = ["漢", "한", "\u1112\u1161\u11ab", "👨‍👩‍👧", "🇫🇷", "👍🏽", "❤️"];

Deno.test("place() knows where a terminal wraps", () => {
  for (const wide of WIDE) {
    assertEquals(width(wide), 2, wide);
    assertEquals(place(`123${wide}`, 4), { row: 1, column: 2 });
    assertEquals(place(`12${wide}`, 4), { row: 1, column: 0 });
    assertEquals(place(`${wide}x`, 1), { row: 2, column: 0 });
  }
  assertEquals(place("", 4), { row: 0, column: 0 });
  assertEquals(place("1234", 4), { row: 1, column: 0 });
  assertEquals(place("1234\n1", 4), { row: 1, column: 1 });
  assertEquals(place("e\u0301\u0628\u0650", 4), { row: 0, column: 2 });
});

Deno.test("width() is the same for each of more texts than it remembers", () => {
  for (let round = 0; round < 2; round++) {
    for (let code = 0x3000; code < 0x3000 + 6_000; code++) {
      const char = String.fromCodePoint(code);
      assertEquals(width(char), stringWidth(char));
      assertEquals(width(`${char}\u0301`), stringWidth(`${char}\u0301`));
    }
  }
});

Deno.test("wrap() cuts between words, and never a word", () => {
  const text = "漢字 👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧 e\u0301e\u0301 " + "x".repeat(30) + " end";

  for (let columns = 4; columns < 60; columns++) {
    const rows = wrap(text, columns, columns - 2);

    for (const [index, row] of rows.entries()) {
      const limit = index === 0 ? columns : columns - 2;
      assert(width(row) <= limit || !row.includes(" "), `${row} in ${limit}`);
    }
    assertEquals(rows.join(" "), text);
  }
});

/** A terminal that obeys what the prompt is drawn with; gives rows and cursor. */
class Screen {
  row = 0;
  column = 0;
  readonly #columns: number;
  readonly #cells: string[][] = [[]];

  constructor(columns: number) {
    this.#columns = columns;
  }

  write(drawing: string): void {
    // deno-lint-ignore no-control-regex -- the sequences themselves
    for (const [part] of drawing.matchAll(/\x1b\[\d+A|\r|\n|[^\x1b\r\n]+/g)) {
      if (part === "\r") this.column = 0;
      else if (part === "\n") [this.row, this.column] = [this.row + 1, 0];
      else if (part.startsWith("\x1b")) this.row -= Number(part.slice(2, -1));
      else this.#type(part);
    }
  }

  get rows(): string[] {
    return Array.from(this.#cells, (row) => (row ?? []).join(""));
  }

  #type(text: string): void {
    for (const { segment } of new Intl.Segmenter().segment(text)) {
      const taken = Math.min(width(segment), this.#columns);
      if (this.column + taken > this.#columns) {
        [this.row, this.column] = [this.row + 1, 0];
      }
      const row = this.#cells[this.row] ??= [];
      row[this.column] = segment;
      for (let i = 1; i < taken; i++) row[this.column + i] = "";
      this.column += taken; // at the margin it waits there
    }
  }
}

const character = fc.oneof(
  fc.constantFrom(...WIDE, "a", " ", "\n", "\t", "\x1b", "e\u0301", "\u202e"),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
);

Deno.test("the cursor stands where the next character goes, in any width", () => {
  fc.assert(
    fc.property(
      fc.array(character, { maxLength: 60 }),
      fc.array(character, { maxLength: 60 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 30 }),
      (before, after, columns, rows) => {
        // Spaces keep what is on both sides of the cursor apart.
        const left = `${before.join("")} `;
        const parts = {
          ...{ status: "file 1 of 2\n", prompt: "#default> " },
          ...{ text: `${left} ${after.join("")}`, cursor: left.length },
        };
        const screen = new Screen(columns);

        const { drawing, head } = promptRows(parts, { columns, rows });
        screen.write(drawing);

        const at = place(head, columns);
        assertEquals({ row: screen.row, column: screen.column % columns }, at);
        assert(at.row <= Math.max(2, rows), `${at.row} of ${rows}`);
        // deno-lint-ignore no-control-regex -- what a terminal obeys
        assertEquals(head.match(/[\x00-\x09\x0b-\x1f\u202e]/g), null);
      },
    ),
    { numRuns: 2_000 },
  );
});

Deno.test("a line that fits is drawn whole, and one that does not around the cursor", () => {
  const size = { columns: 20, rows: 8 };
  const shown = (text: string, cursor: number) => {
    const parts = { status: "", prompt: "> ", text, cursor };
    const screen = new Screen(size.columns);
    screen.write(promptRows(parts, size).drawing);
    return screen.rows.join("").trimEnd();
  };
  const long = Array.from({ length: 100_000 }, (_, i) => `${i}`).join(" ");

  assertEquals(shown("one␤\ttwo\nthree", 0), "> one␤␉two␤three");
  const end = shown(long, long.length);
  assert(end.startsWith("> …") && end.endsWith(" 99999"), end);
  const start = shown(long, 0);
  assert(start.startsWith("> 0 1 2 3") && start.endsWith("…"), start);
  const middle = shown(long, long.indexOf("50000"));
  assert(/^> ….* 50000 .*…$/.test(middle), middle);
  for (const text of [end, start, middle]) assert(text.length <= 80, text);
});
