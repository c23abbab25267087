/** Accepting: who is gone before we look keeps nobody else waiting. */
import { assertEquals } from "@std/assert";
import {
  listenHere,
  RawClient,
  startTestServer,
} from "../../tools/net/raw_client.ts";

Deno.test("a client that resets its connection before it is accepted delays no other", async () => {
  const listener = listenHere();
  let gone = 3;
  await using _server = startTestServer({
    tls: {
      port: listener.addr.port,
      accept: () =>
        gone-- > 0
          ? Promise.reject(new Deno.errors.NotConnected("gone"))
          : listener.accept(),
      close: () => listener.close(),
    },
  });
  using alice = await RawClient.enter(listener.addr.port, "alice");

  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  assertEquals(gone, -2); // and no line of the log, and no pause
});
