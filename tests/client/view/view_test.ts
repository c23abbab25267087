import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  colorOf,
  type Message,
  NAME_COLORS,
  tell,
  View,
  type ViewOptions,
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
  let seconds = 0;
  const now = () => new Date(NOW.getTime() + 1_000 * seconds++);
  const shown = view({ now });

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
});

Deno.test("View rings once for messages in a row, as those that a reconnect brings", () => {
  let now = NOW;
  const shown = view({ now: () => now });
  const rings = (count: number) => {
    const question = () => shown.format(message("bob", "#default", "alice?"));
    return Array.from({ length: count }, question).join("").split("\x07")
      .length - 1;
  };

  assertEquals(rings(8), 1);
  now = new Date(NOW.getTime() + 999);
  assertEquals(rings(300), 1 - 1);
  now = new Date(NOW.getTime() + 2_000);
  assertEquals(rings(1), 1);
});

Deno.test("View leaves addresses and code whole, for the terminal to wrap", () => {
  const shown = view();
  const address = `https://example.org/${"path/".repeat(20)}`;
  const code = `if (a * b > 12) { ${"call(); ".repeat(9)}}`;

  assertEquals(
    shown.format(message("bob", "#default", `see ${address} there`)),
    `08:32:56 bob: see ${address} there\n`,
  );
  assertEquals(
    shown.format(message("bob", "#default", `${code}\n\t${code}`)),
    `08:32:56 bob: ${code}\n  | \t${code}\n`,
  );
  assertEquals(
    shown.format({ kind: "note", text: `the file is at ${address} now` }),
    `* the file is at\n  | ${address}\n  | now\n`,
  );
});

Deno.test("View breaks a message where a row would begin like a line of the program", () => {
  const likely = [
    "* bob joined #lab",
    "! ERROR 117 Removed",
    " * lab <3>",
    "08:00:00 eve: hi",
    "*\u00a0bob joined",
    "\u2800! ERROR",
    "*\u200e bob joined #lab",
    "＊ bob joined #lab",
    "∗ bob joined #lab",
    "0\u200e8:00∶00 eve: hi",
  ];
  for (const text of likely) {
    for (const filling of ["x", "x ", "漢"]) {
      const shown = view();
      const head = "08:32:56 bob: ";
      const first = filling.repeat(40).slice(0, filling === "漢" ? 13 : 26);
      const next = `${first} `.slice(0, 26);

      assertEquals(
        shown.format(message("bob", "#default", first + text)),
        `${head}${first}\n  | ${text}\n`,
      );
      const far = next +
        filling.repeat(60).slice(0, filling === "漢" ? 20 : 40);
      if (filling !== "漢") {
        assertEquals(
          shown.format(message("bob", "#default", far + text)),
          `${head}${far}\n  | ${text}\n`,
        );
      }
      assertEquals(
        shown.format(
          message("bob", "#default", `code\n${"x".repeat(36)}${text}`),
        ),
        `${head}code\n  | ${"x".repeat(36)}\n  | ${text}\n`,
      );
    }
  }
});

Deno.test("View wraps the program's own texts between words", () => {
  const shown = view();

  assertEquals(
    shown.format({
      kind: "error",
      text: "ERROR 102 Unable to send: no user zed",
    }),
    "! ERROR 102 Unable to send: no user zed\n",
  );
  assertEquals(
    shown.format({
      kind: "error",
      text: "ERROR 102 Unable to send: no user zedd here",
    }),
    "! ERROR 102 Unable to send: no user zedd\n  | here\n",
  );
  assertEquals(
    shown.format({
      kind: "event",
      at: AT,
      text: "ana, bob, carol, dave and eve went offline",
    }),
    "08:32:56 * ana, bob, carol, dave and eve\n  | went offline\n",
  );
});

Deno.test("View breaks a long word of a note where a row would begin like a line of the program", () => {
  const shown = view();
  const text = `bob offers ${"x".repeat(40)}*\u2800Type${"x".repeat(40)}.txt`;

  assertEquals(
    shown.format({ kind: "note", text }),
    `* bob offers\n  | ${"x".repeat(40)}*\u2800Type` +
      `${"x".repeat(40)}.txt\n`,
  );
  assertEquals(
    shown.format({ kind: "note", text: text.replace("xxxx*", "*") }),
    `* bob offers\n  | ${"x".repeat(36)}\n  | *\u2800Type` +
      `${"x".repeat(40)}.txt\n`,
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

Deno.test("tell() wraps on a terminal, and gives pipes one line", () => {
  let told = "";
  const print = (text: string) => void (told += text);
  const text = "The certificate is unknown, and not signed.\x1b";

  tell({ kind: "raw", columns: 30, print }, "note", text);
  tell({ kind: "plain", columns: Infinity, print }, "error", text);

  assertEquals(
    told,
    "* The certificate is unknown,\n  | and not signed.␛\n" +
      "! The certificate is unknown, and not signed.␛\n",
  );
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

Deno.test("View breaks a message at a tab behind a full row", () => {
  const shown = view();
  const full = "x".repeat(26); // behind "08:32:56 bob: "

  for (const fake of ["\t* Type it: ", "\t\t* a", "\t02:30:00 ann: yes"]) {
    assertEquals(
      shown.format(message("bob", "#default", full + fake)),
      `08:32:56 bob: ${full}\n  | ${fake}\n`,
    );
  }
  assertEquals(
    shown.format(message("bob", "#default", `${full}\tyes`)),
    `08:32:56 bob: ${full}\tyes\n`,
  );
});

for (const blank of [" ", "\t", "\u2800", "\u3000"]) {
  Deno.test(`View shows a long text of ${JSON.stringify(blank)}, which is looked through once`, () => {
    // Each row was compared with all blanks behind it: for minutes.
    const text = blank.repeat(200_000);

    for (const kind of ["note", "message"] as const) {
      const rows = view().format(
        kind === "note" ? { kind, text } : message("bob", "you", text),
      );
      assert(rows.length >= text.length);
    }
  });
}

Deno.test("View breaks no message that has many characters and fits the row", () => {
  const text = `${`x${"\u200d".repeat(7)}`.repeat(22)}* no`; // 26 columns

  assertEquals(
    view().format(message("bob", "#default", text)),
    `08:32:56 bob: ${text}\n`,
  );
});

Deno.test("View finds what looks like a line of the program behind blanks of any number", () => {
  for (const blanks of ["", " ", "\u2800 \u2800", " ".repeat(60)]) {
    const text = `${"x".repeat(80)}${blanks}* alice left`;
    const rows = view({ columns: () => 20 }).format(
      message("bob", "you", text),
    ).split("\n");

    assert(rows.every((row) => !/^[\s\u2800]*\* /.test(row)), rows.join("\n"));
  }
});

Deno.test("View shows the beginning of a text of megabytes, and pipes get all", () => {
  const text = "x".repeat(300_000);

  const shown = view().format(message("bob", "you", text));
  assert(shown.length < 263_000, `${shown.length}`);
  assertMatch(shown, /\[37,856 more characters\]/);
  const piped = view({ plain: true }).format(message("bob", "you", text));
  assert(piped.length > 300_000);
});
