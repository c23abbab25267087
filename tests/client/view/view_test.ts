import { assert, assertEquals, assertMatch } from "@std/assert";
import stringWidth from "string-width";
import {
  colorOf,
  type Message,
  NAME_COLORS,
  View,
  type ViewOptions,
  wrap,
} from "../../../client/view/view.ts";

const NOW = new Date(2026, 10, 21, 12, 0, 0);
const AT = new Date(2026, 10, 21, 8, 32, 56);

// deno-lint-ignore no-control-regex -- the sequences themselves
const COLORING = /\x1b\[[0-9;]*m/g;

function view(options: Partial<ViewOptions> = {}): View {
  const made = new View({
    plain: false,
    colors: false,
    columns: () => 40,
    now: () => NOW,
    ...options,
  });
  made.me = "alice";
  made.room = "#default";
  return made;
}

function message(from: string, to: string, text: string): Message {
  return { kind: "message", at: AT, from, to, text };
}

Deno.test("View names the room only of messages in another one", () => {
  const shown = view();

  assertEquals(
    shown.format(message("bob", "#default", "hello")),
    "08:32:56 bob: hello\n",
  );
  assertEquals(
    shown.format(message("bob", "#Default", "hello")),
    "08:32:56 bob: hello\n",
  );
  assertEquals(
    shown.format(message("bob", "#lab", "hello")),
    "08:32:56 #lab bob: hello\n",
  );
});

Deno.test("View shows who wrote to whom, and rings for us alone", () => {
  const shown = view();

  assertEquals(
    shown.format(message("bob", "you", "hi")),
    "08:32:56 bob -> you: hi\n\x07",
  );
  assertEquals(
    shown.format(message("you", "bob", "hi")),
    "08:32:56 you -> bob: hi\n",
  );
  assertEquals(
    shown.format(message("bob", "ALL", "hi")),
    "08:32:56 bob -> ALL: hi\n",
  );
  assertEquals(
    shown.format(message("bob", "#default", "Alice?")),
    "08:32:56 bob: Alice?\n\x07",
  );
  assertEquals(
    shown.format(message("bob", "#default", "malice")),
    "08:32:56 bob: malice\n",
  );
  assertEquals(
    shown.format(message("alice", "#default", "alice")),
    "08:32:56 alice: alice\n",
  );
  assertEquals(
    shown.format({ ...message("bob", "#default", "alice"), old: true }),
    "08:32:56 bob: alice\n",
  );
});

Deno.test("View marks every row of a message but the first", () => {
  const shown = view();

  assertEquals(
    shown.format(message("bob", "#lab", "one\n08:00:00 eve: two\n\n* three")),
    "08:32:56 #lab bob: one\n  | 08:00:00 eve: two\n  | \n  | * three\n",
  );
  assertEquals(
    shown.format(
      message("bob", "#default", "some words that are wrapped, * bob joined"),
    ),
    "08:32:56 bob: some words that are\n  | wrapped, * bob joined\n",
  );
});

Deno.test("View has one record a line for pipes, with the room and without a bell", () => {
  const shown = view({ plain: true, columns: () => 20 });

  assertEquals(
    shown.format(message("bob", "#default", `alice\n${"x".repeat(50)}`)),
    `08:32:56 #default bob: alice␤${"x".repeat(50)}\n`,
  );
  assertEquals(
    shown.format({ kind: "event", at: AT, text: "bob joined\n#lab" }),
    "08:32:56 * bob joined␤#lab\n",
  );
});

Deno.test("View shows rooms, notes and errors each in their form", () => {
  const shown = view();

  assertEquals(
    shown.format({ kind: "room", name: "#default", members: "0" }),
    " * default <0>\n",
  );
  assertEquals(shown.format({ kind: "note", text: "so" }), "* so\n");
  assertEquals(shown.format({ kind: "error", text: "no" }), "! no\n");
});

Deno.test("View cleans whatever it shows", () => {
  const shown = view({ columns: () => 200 });
  const evil = "\x1b[2J\u202e\x9b\rx";

  const text = [
    shown.format(message(evil, evil, evil)),
    shown.format({ kind: "event", at: AT, text: evil }),
    shown.format({ kind: "note", text: evil }),
    shown.format({ kind: "error", text: evil }),
    shown.format({ kind: "echo", text: evil }),
    shown.format({ kind: "room", name: evil, members: evil }),
  ].join("");

  assertEquals(text.match(/[^\x20-\x7e\n␛␍]/g), null);
});

Deno.test("View says when the day changes", () => {
  const shown = view();
  const yesterday = new Date(2026, 10, 20, 23, 59, 0);

  const old = { ...message("bob", "#default", "hi"), at: yesterday, old: true };
  assertEquals(shown.format(old), "* Friday, 2026-11-20\n23:59:00 bob: hi\n");
  assertEquals(shown.format(old), "23:59:00 bob: hi\n");
  assertEquals(
    shown.format(message("bob", "#default", "hi")),
    "* Saturday, 2026-11-21\n08:32:56 bob: hi\n",
  );
});

Deno.test("View with colours shows the same text, each row closed before its end", () => {
  const plain = view().format(message("bob", "#lab", "for @Alice and\nalice"));

  const colored = view({ colors: true }).format(
    message("bob", "#lab", "for @Alice and\nalice"),
  );

  assertEquals(colored.replace(COLORING, ""), plain);
  assertMatch(
    colored,
    new RegExp(`\\x1b\\[1;38;5;${colorOf("bob")}mbob\\x1b\\[0m`),
  );
  assert(colored.includes("\x1b[7m@Alice\x1b[0m"), colored);
  for (const row of colored.split("\n")) {
    const codes = row.match(COLORING) ?? [];
    assert(codes.length === 0 || codes.at(-1) === "\x1b[0m", row);
  }
});

Deno.test("wrap() keeps to the width, and what is seen as one character whole", () => {
  const text = "漢字 👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧 e\u0301e\u0301e\u0301 " + "x".repeat(30) + " end";

  for (let width = 4; width < 40; width++) {
    const rows = wrap(text, width, width - 2);

    for (const [index, row] of rows.entries()) {
      const limit = index === 0 ? width : width - 2;
      assert(stringWidth(row.trimEnd()) <= limit, `${row} in ${limit}`);
    }
    assertEquals(rows.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
    assertEquals(rows.join("").match(/👨‍👩‍👧/gu)?.length, 4);
  }
});

Deno.test("NAME_COLORS have a contrast of 3.5 to 1 on black and on white", () => {
  for (const color of NAME_COLORS) {
    const luminance = luminanceOf(color);
    assert((luminance + 0.05) / 0.05 >= 3.5, `${color} on black`);
    assert(1.05 / (luminance + 0.05) >= 3.5, `${color} on white`);
  }
});

Deno.test("colorOf() gives a name one colour, and many names many", () => {
  assertEquals(colorOf("Alice"), colorOf("alice"));
  const names = Array.from({ length: 200 }, (_, i) => `user${i}`);
  const used = new Set(names.map(colorOf));
  assert(used.size > NAME_COLORS.length * 0.8, `${used.size} colours`);
});

/** The relative luminance of WCAG 2 of a colour of the 6 x 6 x 6 cube. */
function luminanceOf(color: number): number {
  const index = color - 16;
  const levels = [Math.floor(index / 36), Math.floor(index / 6) % 6, index % 6];
  const [r = 0, g = 0, b = 0] = levels.map((level) => {
    const value = (level === 0 ? 0 : 55 + 40 * level) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
