/** Display names on a terminal and with --plain. */
import { assertEquals } from "@std/assert";
import {
  ClientProcess,
  quietServer,
  TmuxScreen,
} from "../../tools/client_tools.ts";
import { bytes, RawClient } from "../../tools/net/raw_client.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

async function take(client: RawClient, nick: string): Promise<void> {
  await client.send(`NICK\nContent-length: ${bytes(nick).length}\n\n${nick}`);
  await client.next("NICKED");
}

Deno.test("--plain shows a display name with the name, and the hint for a line to it", async () => {
  await using server = quietServer();
  using jose = await RawClient.enter(server.port, "jose2", "#default");
  await take(jose, "José");
  await using alice = new ClientProcess(
    ["alice", `127.0.0.1:${server.port}`, "--plain"],
  );
  await alice.until("you joined #default");
  await jose.say("#default", "hola");
  await alice.until("#default José (jose2): hola");
  await alice.type("/list\n");
  await alice.until("*   José (jose2) <127.0.0.1:");
  await alice.type("@José: psst\n");
  await alice.until("For José (jose2), type @jose2: TEXT");

  await alice.type("/nick\n");
  await alice.until("You have no display name; /nick NAME sets one");
  await alice.type("/nick Jose2\n");
  await alice.until('it looks like "jose2", the name of another user');
  await alice.type("/nick  Алиса  К.\n");
  await alice.until("You are shown as Алиса К. (alice) now");
  assertEquals(
    await jose.next("NOTICE nick"),
    "NOTICE nick\nRoom: #default\nContent-length: 21\n\nalice Алиса К.\n",
  );
  await alice.type("/nick off\n");
  await alice.until("You have no display name now");
  await take(jose, "");
  await alice.until("jose2 has no display name any more");
  await jose.say("#default", "adiós");
  await alice.until("#default jose2: adiós");
  assertEquals(alice.out.includes("\u202e"), false);
});

tmuxTest(
  "a terminal shows display names, also of those who join and leave",
  async () => {
    await using server = quietServer();
    await using screen = await TmuxScreen.open(100);
    await screen.client("alice", `127.0.0.1:${server.port}`);
    await screen.until("you joined #default");
    using jose = await RawClient.connect(server.port);
    await jose.comeIn("jose2");
    await take(jose, "José");
    await jose.send("JOIN #default\n\n");
    await jose.next("JOINED");
    await screen.until("José (jose2) joined #default");
    await jose.say("#default", "hola");
    await screen.until("José (jose2): hola");
    await take(jose, "Pepe");
    await screen.until("* jose2 is shown as Pepe (jose2) now");
    await screen.keys("P", "e", "Tab");
    await screen.until("#default> jose2:");
    await screen.keys("C-u");
    jose.close();
    await screen.until("Pepe (jose2) went offline");
    await screen.line("LOGOUT");
    await screen.until("code 0");
  },
);
