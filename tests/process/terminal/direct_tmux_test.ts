/** Direct sessions as two people see them, each on a terminal. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { hasTmux, quietServer, TmuxScreen } from "../../tools/client_tools.ts";

Deno.test({
  name: "on a terminal: a call, the digits, a prompt of its own, and back",
  ignore: !hasTmux, // apt install tmux
  async fn() {
    await using server = quietServer();
    await using hers = await TmuxScreen.open(100);
    await using his = await TmuxScreen.open(100);
    const address = `127.0.0.1:${server.port}`;
    const direct = ["--room", "lab", "--direct-host", "127.0.0.1"];
    await hers.client("alice", address, ...direct);
    await his.client("bob", address, ...direct);
    await hers.until("#lab>");
    await his.until("#lab>");

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
});
