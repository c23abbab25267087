/** Transfers on a terminal, drawn by tmux. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  ClientProcess,
  hasTmux,
  quietServer,
  TmuxScreen,
} from "../../tools/client_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

Deno.test({
  name: "a bar stands above the prompt while a file travels, and goes with it",
  ignore: !hasTmux, // needs tmux
  async fn() {
    using from = tempFolder();
    using to = tempFolder();
    const path = `${from.path}/big`;
    Deno.writeTextFileSync(path, "");
    Deno.truncateSync(path, 3_000_000_000); // sparse
    await using server = quietServer();
    const host = [`127.0.0.1:${server.port}`, "--direct-host", "127.0.0.1"];
    const place = ["--plain", "--downloads", to.path];
    await using bob = new ClientProcess(["bob", ...host, ...place]);
    await bob.until("you joined #default");
    await using screen = await TmuxScreen.open(60);
    await screen.client("alice", ...host, "--room", "default");
    await screen.until("you joined #default");

    await screen.line(`/send bob ${path}`);
    await bob.until("alice offers big (3 GB; ");
    await screen.type("half a li");
    await bob.type("/accept\n");
    const running = await screen.until(/\[1\] big to bob \[#*-*\] +\d+% 3 GB/);
    bob.kill("SIGSTOP");
    await screen.keys("C-u");
    await screen.line("/cancel");
    const after = await screen.until("big to bob: you cancelled it");
    bob.kill("SIGCONT");
    await bob.until("big from alice: alice cancelled it");

    assertMatch(running, /\[1\] big to bob .*\n#default> half a li$/);
    assert(!after.includes("[1] big to bob ["), after);
    assertEquals(Array.from(Deno.readDirSync(to.path)), []);
  },
});
