/** What the page does with a typed line: one that fails stays to be corrected. */
import { assertEquals } from "@std/assert";
import { SignIn } from "../../core/sign_in.ts";
import { Chat } from "../../web/page/model/chat.ts";
import { runLine } from "../../web/page/model/typed.ts";

/** A chat of alice that never connects, and what it tells. */
function createChat(): { chat: Chat; told: string[] } {
  const told: string[] = [];
  const chat = new Chat({
    dial: () => new Promise(() => {}),
    name: "alice",
    signIn: new SignIn(),
    watcher: {
      changed: () => {},
      said: () => {},
      noted: () => {},
      told: (text) => void told.push(text),
      own: () => {},
    },
  });
  return { chat, told };
}

for (
  const [line, why] of [
    ["/join a b", 'Invalid room name "a b": use 1 to 32 of the letters '],
    ["/join", "Missing argument. Usage: /join ROOM"],
    ["/leave lab", "You are not in lab"],
    ["/leave a b", "You are not in a b"],
    ["/leave", "You are in no room"],
    ["/ignore a b", 'Cannot use "a b". Usage: /ignore [NAME]'],
    ["/ignore ALICE", "You cannot ignore yourself"],
    ["/unignore bob", "bob is not ignored"],
    ["/nosuch", 'Unknown command "/nosuch". '],
    ["@bob", "To send a private message: @NAME: TEXT, "],
  ] as const
) {
  Deno.test(`${line} stays in the box, with the reason why it fails`, () => {
    const { chat, told } = createChat();

    const isTaken = runLine(chat, line, undefined);

    assertEquals(isTaken, false);
    assertEquals(told.map((text) => text.slice(0, why.length)), [why]);
  });
}

Deno.test("/join with a room's name and /leave of a conversation are taken", () => {
  const { chat, told } = createChat();
  chat.talkTo("bob");

  const taken = ["/join lab", "/leave", "/ignore bob", "/unignore bob"]
    .map((line) => runLine(chat, line, undefined));

  assertEquals(taken, [true, true, true, true]);
  assertEquals(told, []);
});
