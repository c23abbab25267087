/** The conversations of the page: how many there are, and which give way. */
import { assertEquals } from "@std/assert";
import {
  Conversations,
  MAX_CHARACTERS,
  MAX_PRIVATE,
} from "../../web/page/model/conversations.ts";

const AT = new Date(0);

/** A message of a user, with the next id, in a conversation with that user. */
function receive(
  conversations: Conversations,
  from: string,
  text = "psst",
): void {
  const person = conversations.open("user", from);
  const id = conversations.list.reduce((last, one) => {
    return Math.max(last, one.end);
  }, 0) + 1;
  person.add({ id, at: AT, from, text, own: false });
  person.count(id - 1, true);
}

/** The names of the users that there are conversations with. */
function users({ list }: Conversations): string[] {
  return list.filter(({ kind }) => kind === "user").map(({ target }) => target);
}

/** Conversations with `count` users, all unread. */
function withUsers(count: number): Conversations {
  const conversations = new Conversations();
  for (let number = 1; number <= count; number++) {
    receive(conversations, `user${number}`);
  }
  return conversations;
}

Deno.test("as many private conversations as the limit all stay", () => {
  const conversations = withUsers(MAX_PRIVATE);
  conversations.open("room", "#lab");

  assertEquals(conversations.limit(conversations.all), []);
  assertEquals(users(conversations).length, MAX_PRIVATE);
});

Deno.test("over the limit the oldest gives way", () => {
  const conversations = withUsers(MAX_PRIVATE + 1);

  const gone = conversations.limit(conversations.all);

  assertEquals(gone.map(({ target }) => target), ["user1"]);
  assertEquals(users(conversations).length, MAX_PRIVATE);
});

Deno.test("one that is read gives way before any that is not", () => {
  const conversations = withUsers(MAX_PRIVATE + 1);
  conversations.find("user", "user7")!.unread = 0;

  const gone = conversations.limit(conversations.all);

  assertEquals(gone.map(({ target }) => target), ["user7"]);
});

Deno.test("one that is seen, written in, or answered stays before others", () => {
  const conversations = withUsers(MAX_PRIVATE + 5);
  const one = (name: string) => conversations.find("user", name)!;
  one("user1").unread = 0; // and it is shown
  one("user2").draft = "dear";
  one("user3").addOwn("waits for its answer");
  one("user4").settle(one("user4").addOwn("hi"), {
    id: 999,
    at: AT,
    from: "me",
  });
  one("user4").unread = 0;
  conversations.open("user", "newest");

  const gone = conversations.limit(one("user1"));

  assertEquals(gone.map(({ target }) => target), [
    ...["user5", "user6", "user7", "user8", "user9", "user10"],
  ]);
});

Deno.test("answered ones give way at last, and the newest never does", () => {
  const conversations = withUsers(MAX_PRIVATE);
  for (const name of users(conversations)) {
    const person = conversations.find("user", name)!;
    const { end } = person;
    person.settle(person.addOwn("hi"), { id: end + 1_000, at: AT, from: "me" });
  }
  receive(conversations, "mallory");

  const gone = conversations.limit(conversations.all);

  assertEquals(gone.map(({ target }) => target), ["user1"]);
  assertEquals(users(conversations).at(-1), "mallory");
});

Deno.test("long messages from many users are bounded together, the most first", () => {
  const conversations = new Conversations();
  receive(conversations, "bob", "hello");
  const long = "x".repeat(60_000);

  for (let count = 0; count < 800; count++) {
    receive(conversations, `user${count % 20}`, long);
    conversations.limit(conversations.all);
  }

  const characters = conversations.list.map((one) => one.characters);
  const sum = characters.reduce((all, some) => all + some, 0);
  assertEquals(sum <= MAX_CHARACTERS, true, `${sum}`);
  assertEquals(sum > MAX_CHARACTERS - 100_000, true, `${sum}`);
  assertEquals(conversations.find("user", "bob")?.characters, 5);
});
