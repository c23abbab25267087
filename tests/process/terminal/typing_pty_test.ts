/** Keys where no shell stands behind the client, and what rings. */
import { assert, assertEquals } from "@std/assert";
import { FakeServer, quietServer } from "../../tools/client_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { Pty, ptyTest } from "../../tools/system/pty.ts";

function openClient(port: number): Promise<Pty> {
  const run = ["run", "-A", "--cached-only", "client.ts", "alice"];
  return Pty.run([Deno.execPath(), ...run, `127.0.0.1:${port}`], {
    env: { TERM: "xterm-256color" },
  });
}

ptyTest(
  "Ctrl-Z where no shell does job control leaves the terminal usable",
  async () => {
    await using server = quietServer();
    using bob = await RawClient.enter(server.port, "bob", "#default");
    await using terminal = await openClient(server.port);

    await terminal.until(/#default> /);
    terminal.text = "";
    terminal.type("half\x1a");
    // The client gave the terminal back, took it again, and drew the line.
    await terminal.until(/\[\?2004l.*\[\?2004h.*#default> half/s);
    terminal.type("y\x7f a line\r");

    const frame = await bob.next("FORWARD alice");
    assert(frame.endsWith("half a line"), terminal.text);
    terminal.type("\x03");
    await terminal.rest();
    assertEquals(await terminal.exitCode(), 130);
  },
);

ptyTest(
  "a reconnect rings once, however many missed messages are to us",
  async () => {
    using server = new FakeServer();
    await using terminal = await openClient(server.port);
    const reading = terminal.rest();
    const registered = async (lastId: number) => {
      const peer = await server.accept();
      assertEquals(await peer.request(), "REGISTER alice");
      await peer.say(`REGISTERED alice\nToken: t\nLast-id: ${lastId}\n\n`);
      return peer;
    };
    const first = await registered(0);
    first.hangUp();
    using peer = await registered(8);
    for (let id = 1; id <= 8; id++) {
      await peer.say(
        `FORWARD bob\nTo: alice\nId: ${id}\nContent-length: 1\n\n${id}`,
      );
    }
    await peer.say("ERROR 117 Removed\nReason: done\n\n");

    const shown = await reading;
    for (let id = 1; id <= 8; id++) {
      assert(new RegExp(`: ${id}\r?\n`).test(shown), shown);
    }
    assertEquals(shown.split("\x07").length - 1, 1);
  },
);
