/** Frames typed by hand into netcat, with the line ends of telnet. */
import { assertEquals, assertMatch } from "@std/assert";
import { RawClient, steady } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { needsProgram } from "../tools/system/skips.ts";

Deno.test(needsProgram("nc of OpenBSD", {
  name: "nc talks with CR LF, and gets every answer",
  fn: async () => {
    await using server = startTestServer();
    using bob = await RawClient.enter(server.port, "bob", "#default");
    const typed = [
      "REGISTER alice",
      "",
      "JOIN #default",
      "",
      "SEND #default",
      "Content-length: 5",
      "",
      "hello",
      "",
      "ROOMS",
      "",
      "PING",
      "",
      "",
    ].join("\r\n");

    const answers = await netcat(server.port, typed);

    assertEquals(
      steady(answers),
      "REGISTERED alice\nServer: S\nProtocol: parley/1\nMax-body: 65536\n" +
        "Token: T\nJournal: J\nOldest-id: 1\nLast-id: 0\n\n" +
        "JOINED #default\nMembers: 2\nLast-id: 0\nTime: T\n\n" +
        "SENT #default\nId: 1\nTime: T\nRecipients: 1\n\n" +
        "ROOMS\nContent-length: 11\n\n#default 2\n" +
        "PONG\n\n",
    );
    assertMatch(await bob.next("FORWARD"), /\nContent-length: 5\n\nhello$/);
  },
}));

/** What nc prints when `typed` is its input. */
async function netcat(port: number, typed: string): Promise<string> {
  await using nc = new Deno.Command("nc", {
    args: ["-N", "127.0.0.1", `${port}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = nc.stdin.getWriter();
  await writer.write(new TextEncoder().encode(typed));
  await writer.close();
  const { stdout } = await nc.output();
  return new TextDecoder().decode(stdout);
}
