/**
 * What typed lines do, in one table: tests/core reads it with the parser, and
 * tests/browser types it into the terminal client, with and without `--plain`,
 * and into the web client.
 *
 * @module
 */

/** A line, and what becomes of it. Exactly one of the others is there. */
export interface TypedRow {
  readonly line: string;
  /** All members of the room read this. */
  readonly room?: string;
  /** Bob alone reads this. */
  readonly bob?: string;
  /** Nobody reads anything; the user is shown this. */
  readonly hint?: string;
}

const PRIVATE = "To send a private message: @NAME: TEXT";
const ONE_USER = "Nothing was sent: a private message goes to one user.";

/** See the top of the file. */
export const TYPED_LINES: readonly TypedRow[] = [
  { line: "hello", room: "hello" },
  { line: "  hello ", room: "  hello " },
  { line: "LIST of things", room: "LIST of things" },
  { line: "list", room: "list" },
  { line: "mail me@home: now", room: "mail me@home: now" },
  { line: "//join", room: "/join" },
  { line: " //join", room: "/join" },
  { line: "@bob: hi", bob: "hi" },
  { line: "@bob:hi", bob: "hi" },
  { line: "@bob hi there", bob: "hi there" },
  { line: " @bob hi", bob: "hi" },
  { line: "\u00a0@bob: hi", bob: "hi" },
  { line: "\u3000@bob: hi", bob: "hi" }, // the space of Chinese and Japanese
  { line: "\u200b@bob: hi", bob: "hi" }, // unseen, from a paste
  { line: "\u200e @bob: hi", bob: "hi" },
  { line: "\uff20bob\uff1ahi", bob: "hi" }, // an input method's @ and :
  { line: "\ufe6bbob: hi", bob: "hi" }, // a small @
  { line: "\u2800@bob: hi", bob: "hi" }, // a blank pattern of Braille
  { line: "\ufffc@bob: hi", bob: "hi" }, // of an image in a paste
  { line: "/msg bob x", bob: "x" },
  { line: " /msg bob x", bob: "x" },
  { line: "\u00a0/MSG @bob x", bob: "x" },
  { line: "\u200b/m bob: x", bob: "x" },
  { line: "/msg bob @eve: you go", bob: "@eve: you go" },
  { line: "@bob: @eve is late", bob: "@eve is late" },
  { line: "@bob @eve: lunch?", hint: ONE_USER },
  { line: "@bob and @eve: lunch?", hint: ONE_USER },
  { line: "@bob: @eve: lunch?", hint: ONE_USER },
  { line: "\uff20bob \uff20eve\uff1alunch?", hint: ONE_USER },
  { line: "@bob: \uff20eve\uff1alunch?", hint: ONE_USER },
  { line: "@bob, @eve: lunch?", hint: PRIVATE },
  { line: "@bob", hint: PRIVATE },
  { line: "@bob: ", hint: PRIVATE },
  { line: "@", hint: PRIVATE },
  { line: "@a-b: x", hint: PRIVATE },
  { line: "@#default x", hint: PRIVATE },
  { line: "/msg bob", hint: "Usage: /msg NAME TEXT" },
  { line: "@nobody: secret", hint: 'no user "nobody" is connected' },
  { line: " @Override void", hint: 'no user "Override" is connected' },
  { line: "/jion lab", hint: 'Unknown command "/jion". Did you mean /join?' },
  { line: "\u00a0/jion lab", hint: 'Unknown command "/jion".' },
  { line: "/usr/bin is full", hint: 'Unknown command "/usr/bin".' },
  { line: "\uff0fhlep", hint: 'Unknown command "/hlep". Did you mean /help?' },
  { line: "/", hint: 'Unknown command "/". Type /help.' },
];
