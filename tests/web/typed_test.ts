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
    ["/history bob", 'Cannot use "bob". Usage: /history [@NAME] [NUMBER]'],
    ["/history @bob soon", 'Cannot use "@bob soon". Usage: /history '],
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

Deno.test("/history @NAME opens the conversation with this user; alone it says to scroll", () => {
  const { chat, told } = createChat();

  const taken = ["/history @bob", "/history @carol: 30", "/history 30"]
    .map((line) => runLine(chat, line, undefined));

  assertEquals(taken, [true, true, true]);
  assertEquals([chat.current.kind, chat.current.target], ["user", "carol"]);
  const users = chat.conversations.list.filter(({ kind }) => kind === "user");
  assertEquals(users.map(({ target }) => target).sort(), ["bob", "carol"]);
  assertEquals(told, ["Scroll up to see older messages."]);
});
