/** Accepting: who is gone before we look keeps nobody else waiting. */
import { assertEquals } from "@std/assert";
import { RawClient, startTestServer } from "./raw_client.ts";
import { listenTcp } from "../server/reception.ts";

Deno.test("who resets the connection before it is accepted keeps nobody waiting", async () => {
  const listener = listenTcp({
    hostname: "127.0.0.1",
    port: 0,
    option: "--port",
  });
  let gone = 3;
  await using server = startTestServer({
    plain: false,
    tls: {
      port: listener.addr.port,
      accept: () =>
        gone-- > 0
          ? Promise.reject(new Deno.errors.NotConnected("gone"))
          : listener.accept(),
      close: () => listener.close(),
    },
  });
  using alice = await RawClient.enter(server.port, "alice");

  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  assertEquals(gone, -2); // and no line of the log, and no pause
});
