/** Direct sessions as two people see them, each on a terminal. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { quietServer, TmuxScreen } from "../../tools/client_tools.ts";
import { needsProgram } from "../../tools/system/skips.ts";

/** The screen of a user in #lab. */
async function inLab(name: string, port: number): Promise<TmuxScreen> {
  const screen = await TmuxScreen.open(100);
  const direct = ["--room", "lab", "--direct-host", "127.0.0.1"];
  await screen.client(name, `127.0.0.1:${port}`, ...direct);
  await screen.until("#lab>");
  return screen;
}

Deno.test(needsProgram("tmux", {
  name: "on a terminal: a call, the digits, a prompt of its own, and back",
  async fn() {
    await using server = quietServer();
    await using hers = await inLab("alice", server.port);
    await using his = await inLab("bob", server.port);

    await hers.line("/call bob");
    await his.until("alice calls you from 127.0.0.1:");
    await his.line("/accept");
    const told = /Compare this\s+code by\s+voice:\s+(\d{3}\s+\d{3})/;
    const [, mine = ""] = told.exec(await hers.until(told)) ?? [];
    const [, yours] = told.exec(await his.until(told)) ?? [];
    await hers.line("/direct");
    await hers.until("direct bob>");
    await hers.line("psst");
    await his.until("alice -> you (direct): psst");
    await hers.line("/direct");
    await hers.until(/#lab> *$/);
    await hers.line("to all of you");
    const screen = await his.until("alice: to all of you");
    await his.line("/hangup");
    await hers.until("bob ended the direct session");
    await hers.line("/direct hello?");
    await hers.until("There is no direct session");

    assertMatch(mine, /\d/);
    assertEquals(mine.replace(/\s+/, " "), yours?.replace(/\s+/, " "));
    assert(!screen.includes("alice: psst"), "nothing of it went to the room");
  },
}));

Deno.test(needsProgram("tmux", {
  name:
    "on a terminal: after /hangup the next line goes to the room, and to nobody if the other side ended it",
  async fn() {
    await using server = quietServer();
    await using hers = await inLab("alice", server.port);
    await using his = await inLab("bob", server.port);

    for (const command of ["/hangup", "/hangup bob", "/hangup"]) {
      for (const screen of [hers, his]) { // what is left is not taken for news
        await screen.line("/clear");
        await screen.until(/^\w+ #lab> *$/);
      }
      await hers.line("/call bob");
      await his.until("alice calls you from 127.0.0.1:");
      await his.line("/accept");
      await hers.until("Compare this");
      await hers.line("/direct");
      await hers.until("direct bob>");
      if (command === "/hangup") {
        await hers.line("secret");
        await his.until("alice -> you (direct): secret");
      } else {
        await his.line("/hangup");
        await hers.until("bob ended the direct session");
        await hers.line("secret");
        await hers.until("! Not sent: the direct session with bob is over.");
      }
      await hers.line(command);
      await hers.until(/#lab> *$/);
      await hers.line("to all of you");
      await his.until("alice: to all of you");
    }
    assert(!(await his.everything()).includes("alice: secret"));
  },
}));
