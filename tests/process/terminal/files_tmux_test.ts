/** Transfers on a terminal, drawn by tmux. */
import { assert, assertEquals } from "@std/assert";
import {
  ClientProcess,
  quietServer,
  TmuxScreen,
} from "../../tools/client_tools.ts";
import { tempFolder } from "../../tools/temp.ts";
import { needsProgram } from "../../tools/system/skips.ts";

Deno.test(needsProgram("tmux", {
  name: "a bar stands above the prompt while a file travels, and goes with it",
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
    await screen.until(
      /\[1\] big to bob \[#*-*\] +\d+% 3 GB.*\nalice #default> half a li$/,
    );
    bob.kill("SIGSTOP");
    await screen.keys("C-u");
    await screen.line("/cancel");
    const after = await screen.until("big to bob: you cancelled it");
    bob.kill("SIGCONT");
    await bob.until("big from alice: alice cancelled it");

    assert(!after.includes("[1] big to bob ["), after);
    assertEquals(Array.from(Deno.readDirSync(to.path)), []);
  },
}));

Deno.test(needsProgram("tmux", {
  name: "Tab completes the paths of files, and dragged paths are found",
  async fn() {
    using from = tempFolder();
    Deno.writeTextFileSync(`${from.path}/my notes (1).txt`, "a");
    Deno.writeTextFileSync(`${from.path}/price 5$ & more.txt`, "b");
    await using server = quietServer();
    const host = [`127.0.0.1:${server.port}`, "--direct-host", "127.0.0.1"];
    await using bob = new ClientProcess(["bob", ...host, "--plain"]);
    await bob.until("you joined #default");
    await using screen = await TmuxScreen.open(120);
    await screen.client("alice", ...host, "--room", "default");
    await screen.until("you joined #default");

    await screen.type(`/send bob ${from.path}/my`);
    await screen.keys("Tab");
    await screen.until(`${from.path}/my\\ notes\\ \\(1\\).txt`);
    await screen.keys("Enter");
    await bob.until("alice offers my notes (1).txt (1 B; ");
    await screen.line(
      `/send bob ${from.path}/price\\ 5\\$\\ \\&\\ more.txt`,
    );
    await bob.until("alice offers price 5$ & more.txt (1 B; ");
    await screen.line(`/send bob file://${from.path}/my%20notes%20(1).txt`);
    await screen.until(/3\] Offering my notes \(1\)\.txt/);
    await screen.line(`/send bob ${from.path}/*.txt`);
    await bob.until("alice offers my notes (1).txt and 1 more (2 files, 2 B; ");
    await screen.line(`/send bob ${from.path}/*.none`);
    await screen.until("no file fits this pattern");
  },
}));
