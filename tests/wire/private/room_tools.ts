/**
 * Private rooms of tests, with members.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { signedUp } from "../../tools/account_tools.ts";
import type { RawClient } from "../../tools/net/raw_client.ts";
import type { TestServer } from "../../tools/net/test_server.ts";

/** Makes a private room; returns its name. */
export async function make(
  client: RawClient,
  name = "#group",
): Promise<string> {
  const answer = await client.ask(`JOIN ${name}\nPrivate: yes\n\n`);
  const [, room = ""] = /^JOINED (\S+)\n/.exec(answer) ?? [];
  assertMatch(room, /^#group\.[a-z2-9]{4}$/);
  return room;
}

/** Lets an account in, who joins the room. */
export async function letIn(
  owner: RawClient,
  guest: RawClient,
  name: string,
  room: string,
) {
  assertEquals(
    await owner.ask(`INVITE ${name}\nRoom: ${room}\n\n`),
    `INVITED ${name}\nRoom: ${room}\n\n`,
  );
  await guest.next("NOTICE invited");
  assertMatch(await guest.ask(`JOIN ${room}\n\n`), /^JOINED /);
  await owner.next("NOTICE joined");
}

/** alice, who owns a room, with bob and carol in it. */
export async function threeOf(server: TestServer) {
  const alice = await signedUp(server.port, "alice");
  const bob = await signedUp(server.port, "bob");
  const carol = await signedUp(server.port, "carol");
  const room = await make(alice);
  await letIn(alice, bob, "bob", room);
  await letIn(alice, carol, "carol", room);
  await bob.next("NOTICE joined");
  const all = [alice, bob, carol];
  return {
    ...{ alice, bob, carol, room },
    [Symbol.dispose]: () => all.forEach((one) => one.close()),
  };
}
