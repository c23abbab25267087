/** The meaning of typed lines, for both clients. */
import { assertEquals } from "@std/assert";
import {
  COMMANDS,
  findCommand,
  helpLines,
  nearestCommand,
  parseLine,
} from "../../../core/text/typed_line.ts";

const LINES: Record<string, unknown> = {
  "hello": { kind: "message", text: "hello" },
  "  hello ": { kind: "message", text: "  hello " },
  "": { kind: "nothing" },
  "  ": { kind: "nothing" },
  "@bob: hi": { kind: "private", to: "bob", text: "hi" },
  "@bob:hi": { kind: "private", to: "bob", text: "hi" },
  "@bob hi there": { kind: "private", to: "bob", text: "hi there" },
  "@bob: one\ntwo": { kind: "private", to: "bob", text: "one\ntwo" },
  "@ALL: hi": { kind: "private", to: "ALL", text: "hi" },
  "LIST": { kind: "command", name: "list", rest: "" },
  "LEAVE ": { kind: "command", name: "leave", rest: "" },
  "LOGOUT": { kind: "command", name: "quit", rest: "" },
  "LIST of things": { kind: "message", text: "LIST of things" },
  "list": { kind: "message", text: "list" },
  "/join lab": { kind: "command", name: "join", rest: "lab" },
  "/JOIN  #lab ": { kind: "command", name: "join", rest: "#lab" },
  "//join": { kind: "message", text: "/join" },
  " @bob hi ": { kind: "private", to: "bob", text: "hi " },
  "\u00a0@bob: hi": { kind: "private", to: "bob", text: "hi" },
  "\t/msg bob x": { kind: "command", name: "msg", rest: "bob x" },
  "\u00a0/msg bob x": { kind: "command", name: "msg", rest: "bob x" },
  "/J lab": { kind: "command", name: "join", rest: "lab" },
};

for (const [line, meaning] of Object.entries(LINES)) {
  Deno.test(`parseLine() reads ${JSON.stringify(line)}`, () => {
    assertEquals<unknown>(parseLine(line), meaning);
  });
}

for (
  const line of [
    "@bob",
    "@bob:",
    "@bob:  ",
    "@: x",
    "@",
    "@a-b: x",
    "@#lab hi",
    "@server hi",
    "/",
    "/jion lab",
    "/constructor",
    "/usr/bin is full",
  ]
) {
  Deno.test(`parseLine() explains and does not send ${JSON.stringify(line)}`, () => {
    assertEquals(parseLine(line).kind, "invalid");
  });
}

Deno.test("nearestCommand() finds what was probably meant, and nothing far off", () => {
  const pairs = { jion: "join", hepl: "help", wo: "who", quitt: "quit" };
  for (const [typed, meant] of Object.entries(pairs)) {
    assertEquals(nearestCommand(typed), meant);
  }
  assertEquals(nearestCommand("xyzzy"), undefined);
  assertEquals(nearestCommand(""), undefined);
  assertEquals(findCommand("constructor"), undefined);
});

Deno.test("an unknown command is explained, with what was probably meant", () => {
  assertEquals(parseLine("/Jion lab"), {
    kind: "invalid",
    help: 'Unknown command "/Jion". Did you mean /join? ' +
      "To send text that begins with /, type //.",
  });
  assertEquals(parseLine("/xyzzy"), {
    kind: "invalid",
    help: 'Unknown command "/xyzzy". Type /help. ' +
      "To send text that begins with /, type //.",
  });
});

Deno.test("the help has every command of the client that asks, and no other", () => {
  const names = (web: boolean) =>
    helpLines("", { web }).map((line) => /^\/(\w+)/.exec(line)?.[1])
      .filter((name) => name !== undefined);

  assertEquals(names(false), Object.keys(COMMANDS));
  assertEquals(names(true), [
    ...["help", "join", "leave", "rooms", "list", "who", "msg", "reply"],
    ...["signup", "ping", "quit"],
  ]);
});

Deno.test("the help about one command has its other names, or why it is not there", () => {
  assertEquals(helpLines("/J"), [
    "/join ROOM           Join a room, or switch to one you are in",
    "Also: /j",
  ]);
  assertEquals(helpLines("call", { web: true }), [
    "/call NAME           " +
    "The web client has no direct sessions. Use the terminal client.",
  ]);
  assertEquals(helpLines("xyzzy"), ['Unknown command "/xyzzy". Type /help.']);
});
