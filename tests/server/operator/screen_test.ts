/** The operator's terminal: the greeting, and when nothing reads it any more. */
import { assertEquals, assertMatch } from "@std/assert";
import { Screen } from "../../../server/operator/screen.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { within } from "../../tools/net/within.ts";
import { HERE, RUN } from "../../tools/server_process.ts";
import { shellCommand } from "../../tools/system/programs.ts";
import { needsProgram } from "../../tools/system/skips.ts";

Deno.test("a user who connects at once does not break the greeting", async () => {
  const { write } = Deno.stdout;
  let text = "";
  Deno.stdout.write = (bytes) => {
    text += new TextDecoder().decode(bytes);
    return Promise.resolve(bytes.length);
  };
  try {
    await using screen = new Screen();
    screen.print("Listening");
    screen.log("alice connected");
    screen.print("The page is at");
    screen.startLog();
    screen.log("bob connected");
    screen.print("Users: 2");
  } finally {
    Deno.stdout.write = write;
  }

  assertMatch(
    text,
    /^Listening\nThe page is at\n.* alice connected\n.* bob connected\nUsers: 2\n$/,
  );
});

Deno.test(needsProgram("script", {
  name: "a terminal that nothing reads stops no server, and misses lines",
  async fn() {
    const server = shellCommand(
      Deno.execPath(),
      ...RUN,
      ...HERE,
      "--no-limits",
    );
    const child = new Deno.Command("script", {
      args: ["-qec", server, "/dev/null"],
      stdin: "piped",
      stdout: "piped",
      env: { TERM: "xterm-256color", NO_COLOR: "1" },
    }).spawn();
    const output = child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    let shown = "";
    const read = async () => shown += (await output.read()).value ?? "";
    while (!shown.includes("Type help")) await within(read(), () => shown);
    const [, port] = /Listening on port (\d+)\./.exec(shown)!;

    // Two lines of the log each, more than all buffers and the queue hold.
    const move = "JOIN #r\n\nLEAVE #r\n\n";
    using alice = await RawClient.enter(Number(port), "alice");
    for (let i = 0; i < 120; i++) {
      await alice.send(move.repeat(100));
      await alice.frames(200);
    }
    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");

    while (!shown.includes("lines left out")) {
      await within(read(), () => shown.slice(-200));
      await alice.send(move);
      await alice.frames(2);
    }
    child.kill("SIGTERM");
    await Promise.all([
      child.status,
      child.stdin.close().catch(() => {}),
      output.cancel().catch(() => {}),
    ]);
  },
}));
