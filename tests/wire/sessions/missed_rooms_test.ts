/** What a user missed in a room that somebody else made again. */
import { assertEquals, assertMatch } from "@std/assert";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";

for (const again of ["#Q1", "#q1", "#Ql"]) {
  Deno.test(`what was said in ${again} is forwarded to who was in #Q1`, async () => {
    await using server = startTestServer();
    const alice = await RawClient.connect(server.port);
    const registered = await alice.ask("REGISTER alice\n\n");
    const token = headerOf(registered, "Token");
    await alice.ask("JOIN #Q1\n\n");
    alice[Symbol.dispose]();
    await server.logged("alice disconnected");

    using eve = await RawClient.enter(server.port, "eve", again);
    await eve.say(again, "important");
    await eve.next("SENT");
    using back = await RawClient.connect(server.port);
    const resumed = await back.ask(
      `REGISTER alice\nToken: ${token}\nAfter: 0\n\n`,
    );
    await back.send("PING\n\n");

    assertEquals(headerOf(resumed, "Token"), token);
    assertMatch(await back.frame(), /^FORWARD eve\n[^]*\n\nimportant$/);
  });
}
