/** /join ROOM --private, /invite and what follows: on a terminal and with --plain. */
import { assertEquals, assertMatch } from "@std/assert";
import { makeAccount, signedUp } from "../../tools/account_tools.ts";
import {
  ClientProcess,
  quietServer,
  TmuxScreen,
} from "../../tools/client_tools.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

const PASSWORD = "correct horse";

/** A file with the password, which only its owner can read. */
async function passwordFile() {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, PASSWORD);
  await Deno.chmod(path, 0o600);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

Deno.test("private rooms with --plain: made, invited to, listed, passed on and closed", async () => {
  await using server = quietServer();
  await makeAccount(server.port, "alice", PASSWORD);
  await using file = await passwordFile();
  using bob = await signedUp(server.port, "bob");
  using gerd = await signedUp(server.port, "gerd");
  const address = `127.0.0.1:${server.port}`;
  await using alice = new ClientProcess([
    ...["alice", address, "--plain", "--password-file", file.path],
  ]);

  await alice.type("#default\n");
  await alice.until("you joined #default");
  await alice.type("/invite bob\n");
  await alice.until("That is for private rooms. To make one, type /join ROOM");
  await alice.type("/join group --private\n");
  await alice.until("You made \u{1f512} #group.");
  const [room = ""] = /#group\.[a-z2-9]{4}/.exec(alice.out) ?? [];
  assertMatch(
    alice.out,
    /you joined \u{1f512} #group\.\w{4} \(private\) \(1 here\)\n/u,
  );
  await alice.type("hello\n");
  await alice.until("alice: hello");

  await alice.type("/invite bob\n");
  await alice.until(`bob is a member of \u{1f512} ${room} (private) now`);
  await alice.type("/invite @bob\n");
  await alice.until("bob is a member of \u{1f512} ${room} (private) already"
    .replace("${room}", room));
  await alice.type("/invite nobody\n");
  await alice.until("Cannot invite nobody: there is no such account");
  await alice.type("/who\n");
  await alice.until("Members who are away: bob");
  await alice.type("/rooms\n");
  await alice.until(`${room.slice(1)} <1, \u{1f512} private>`);
  await bob.next(`NOTICE invited\nRoom: ${room}\nUser: bob\nBy: alice\n`);
  await bob.ask(`JOIN ${room}\n\n`);
  await alice.until("bob joined");

  await alice.type(`/invite gerd ${room.slice(1)}\n`);
  await alice.until("gerd is a member of");
  await alice.type("/remove gerd\n");
  await alice.until(
    `gerd is no member of \u{1f512} ${room} (private) any more`,
  );
  await gerd.next(`NOTICE removed\nRoom: ${room}\nUser: gerd\nBy: alice\n`);
  await alice.type("/owner bob\n");
  await alice.until(`bob owns \u{1f512} ${room} (private)`);
  await alice.type(`/close ${room}\n`);
  await alice.until(`Cannot close ${room}: you do not own it`);
  await alice.type("/close\n");
  await alice.until("Missing argument. Usage: /close ROOM");

  await bob.send(`SET ${room}\nRemove: alice\n\n`);
  await alice.until(`bob removed you from \u{1f512} ${room} (private)`);
  await alice.type("not for all\n");
  await alice.until(`Not sent: you are no longer in ${room}`);
  await bob.send(`INVITE alice\nRoom: ${room}\n\n`);
  await alice.until(`To join it, type /join ${room}`);
  await alice.type(`/join ${room}\n`);
  await alice.until(`you joined \u{1f512} ${room} (private) (2 here)`);
  await bob.send(`SET ${room}\nClosed: yes\n\n`);
  await alice.until(
    `bob closed \u{1f512} ${room} (private), and its messages are deleted`,
  );
  await alice.type("/join #default\n");
  await alice.type(`/join ${room}\n`);
  await alice.until(
    "there is no such private room, or you are no member of it",
  );
  assertEquals(alice.out.includes("alice: not for all"), false);
});

Deno.test("a guest makes no private room, and is told what to do", async () => {
  await using server = quietServer();
  await using alice = new ClientProcess([
    ...["alice", `127.0.0.1:${server.port}`, "--plain"],
  ]);

  await alice.type("/join x --private\n");
  await alice.until(
    "Cannot make a private room: only a user with an account can; sign up first",
  );
});

tmuxTest(
  "a private room on a terminal is marked where it is joined",
  async () => {
    await using server = quietServer();
    await makeAccount(server.port, "alice", PASSWORD);
    await using screen = await TmuxScreen.open(100);
    await screen.client("alice", `127.0.0.1:${server.port}`);
    await screen.until("Password for alice:");
    await screen.line(PASSWORD);
    await screen.until("alice #default>");

    await screen.line("/join group --private");
    await screen.until(/To let a user in, type \/invite NAME/);
    await screen.until(/alice #group\.\w{4}>/);
    await screen.line("/rooms");
    await screen.until(/group\.\w{4} <1, .* ?private>/);
    await screen.line("LOGOUT");
    await screen.until("code 0");
  },
);
