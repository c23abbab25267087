/** The meaning of typed lines, for both clients. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  COMMANDS,
  findCommand,
  parseLine,
  readPrivate,
  usageHelp,
  withReceiver,
} from "../../../core/text/typed_line.ts";
import { helpLines } from "../../../core/text/help.ts";
import { TYPED_LINES } from "./typed_lines.ts";

for (const { line, room, bob, hint } of TYPED_LINES) {
  Deno.test(`parseLine() reads ${JSON.stringify(line)}`, () => {
    const typed = parseLine(line);

    if (room !== undefined) {
      assertEquals(typed, { kind: "message", text: room });
    } else if (bob !== undefined && typed.kind === "command") {
      assertEquals(typed.name, "msg");
      assertEquals(readPrivate(typed.rest)?.text, bob);
    } else if (bob !== undefined) {
      assertEquals(typed, { kind: "private", to: "bob", text: bob });
    } else {
      // An unknown user is found out by the server.
      assertNotEquals(typed.kind, "message");
      if (typed.kind === "invalid") assert(typed.help.startsWith(hint!));
    }
  });
}

const LINES: Record<string, unknown> = {
  "": { kind: "nothing" },
  " \u200b ": { kind: "nothing" },
  "@bob: one\ntwo": { kind: "private", to: "bob", text: "one\ntwo" },
  // What a cooked terminal reads of keys: arrows, Alt+[, Backspace, Ctrl+Space.
  "\x1b[A@bob: x": { kind: "private", to: "bob", text: "x" },
  "\x1bOA\x1b[1;5D@bob: x": { kind: "private", to: "bob", text: "x" },
  "\x1b[3~/msg bob x": { kind: "command", name: "msg", rest: "bob x" },
  "\x1b[/msg bob x": { kind: "command", name: "msg", rest: "bob x" },
  "\x1b[@bob: x": { kind: "private", to: "bob", text: "x" },
  "\b\x7f\0@bob: x": { kind: "private", to: "bob", text: "x" },
  "\x1b[Ahello": { kind: "message", text: "\x1b[Ahello" },
  "@bob: \tone\n\ttwo\n": {
    kind: "private",
    to: "bob",
    text: "\tone\n\ttwo\n",
  },
  "@bob     one\n  two": { kind: "private", to: "bob", text: "    one\n  two" },
  "@bob:\none\ntwo": { kind: "private", to: "bob", text: "one\ntwo" },
  "/msg bob one\ntwo\n": {
    kind: "command",
    name: "msg",
    rest: "bob one\ntwo\n",
  },
  "@ALL: hi": { kind: "private", to: "ALL", text: "hi" },
  "LIST": { kind: "command", name: "list", rest: "" },
  "LEAVE ": { kind: "command", name: "leave", rest: "" },
  "LOGOUT": { kind: "command", name: "quit", rest: "" },
  "/join lab": { kind: "command", name: "join", rest: "lab" },
  "/JOIN  #lab ": { kind: "command", name: "join", rest: "#lab" },
  "/J lab": { kind: "command", name: "join", rest: "lab" },
};

for (const [line, meaning] of Object.entries(LINES)) {
  Deno.test(`parseLine() reads ${JSON.stringify(line)}`, () => {
    assertEquals<unknown>(parseLine(line), meaning);
  });
}

for (const line of ["@: x", "@server hi", "/constructor"]) {
  Deno.test(`parseLine() explains and does not send ${JSON.stringify(line)}`, () => {
    assertEquals(parseLine(line).kind, "invalid");
  });
}

Deno.test("withReceiver() gives a /reply the user who had written, and nothing else", () => {
  assertEquals(withReceiver(" /reply @eve: yes", "bob"), "/msg bob @eve: yes");
  assertEquals(withReceiver("/r one\ntwo", "bob"), "/msg bob one\ntwo");
  for (const line of ["/reply", "reply yes", "//reply yes", "@eve: yes"]) {
    assertEquals(withReceiver(line, "bob"), line);
  }
  assertEquals(withReceiver("/reply yes", undefined), "/reply yes");
  assertEquals(
    withReceiver("/r one\ntwo", "bob", true),
    "/direct @bob one\ntwo",
  );
});

Deno.test("the help guesses what was probably meant, and nothing far off", () => {
  const pairs = {
    jion: "join",
    hepl: "help",
    wo: "who",
    quitt: "quit",
    quiett: "quiet",
  };
  for (const [typed, meant] of Object.entries(pairs)) {
    assertEquals(helpLines(typed), [
      `Unknown command "/${typed}". Did you mean /${meant}?`,
    ]);
  }
  assertEquals(helpLines("xyzzy"), ['Unknown command "/xyzzy". Type /help.']);
  assertEquals(findCommand("constructor"), undefined);
});

Deno.test("an unknown command is explained, with what was probably meant", () => {
  assertEquals(parseLine("/Jion lab"), {
    kind: "invalid",
    help: 'Unknown command "/Jion". Did you mean /join? ' +
      "To send it as text, type //Jion …",
  });
  assertEquals(parseLine("/xyzzy"), {
    kind: "invalid",
    help: 'Unknown command "/xyzzy". Type /help. ' +
      "To send it as text, type //xyzzy",
  });
});

Deno.test("the help has every command of the client that asks, and no other", () => {
  const names = (web: boolean, moderator = false) =>
    helpLines("all", { web, moderator }).map((line) =>
      /^\/(\w+)/.exec(line)?.[1]
    )
      .filter((name) => name !== undefined);

  const ofModerators = [
    ...["users", "kick", "ban", "unban", "mute", "unmute", "bans", "unblock"],
    ...["say", "forget"],
  ];
  const ofWeb = [
    ...["help", "join", "leave", "topic", "quiet", "voice"],
    ...["rooms", "list", "who", "msg", "reply", "history"],
    ...["ignore", "unignore", "nick", "invite", "remove", "owner", "close"],
    ...["signup", "devices", "password", "unregister", "ping"],
  ];
  assertEquals(names(false, true), Object.keys(COMMANDS));
  assertEquals(
    names(false),
    Object.keys(COMMANDS).filter((name) => !ofModerators.includes(name)),
  );
  assertEquals(names(true), [...ofWeb, "quit"]);
  assertEquals(names(true, true), [...ofWeb, ...ofModerators, "quit"]);
});

Deno.test("the help fits a terminal of 80 columns and 24 rows, and the rest is in /help all", () => {
  const [first, all] = [helpLines(""), helpLines("all")];

  assert(first.length + 2 <= 24); // with what was typed, and the prompt
  for (const line of first) assert(`* ${line}`.length <= 80, line);
  const missing = first.filter((line) => !all.includes(line));
  assertEquals(missing, ["/help all            Show the other commands too"]);
  assert(all.some((line) => line.startsWith("/unignore NAME")));
});

Deno.test("the help about one command has its other names, or why it is not there", () => {
  assertEquals(helpLines("/J"), [
    "/join ROOM [--private] Join a room, or switch to it, or make a private one",
    "Also: /j",
  ]);
  assertEquals(helpLines("call", { web: true }), [
    "/call NAME           " +
    "The web client has no direct sessions. Use the terminal client.",
  ]);
  assertEquals(helpLines("xyzzy"), ['Unknown command "/xyzzy". Type /help.']);
});

Deno.test("parseLine() takes a paste of several lines for text, whatever it begins with", () => {
  for (const text of ["// main.c\nint x;", "@Override\nvoid", "/quit\nnow"]) {
    assertEquals(parseLine(text, true), { kind: "message", text });
  }
  assertEquals(parseLine(" \n ", true), { kind: "nothing" });
});

const WRONG: readonly [line: string, hint: string][] = [
  ["/msg", "Missing argument. Usage: /msg NAME TEXT"],
  ["/msg bob", "Missing argument. Usage: /msg NAME TEXT"],
  ["/send bob", "Missing argument. Usage: /send NAME FILE ..."],
  ["/call b_b", 'Cannot use "b_b". Usage: /call NAME'],
  ["/listen maybe", 'Cannot use "maybe". Usage: /listen [on | off]'],
  ["/signup now", 'Cannot use "now". Usage: /signup'],
];

for (const [line, hint] of WRONG) {
  Deno.test(`what is wrong with ${line} is told with its usage`, () => {
    const typed = parseLine(line);
    assert(typed.kind === "command");
    assertEquals(usageHelp(typed.name, typed.rest), hint);
  });
}
