/** Passwords of users who type without a look at what they are asked. */
import { assertEquals, assertFalse, assertMatch } from "@std/assert";
import { makeAccount } from "../../tools/account_tools.ts";
import { quietServer } from "../../tools/client_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { ptyTest, runAfter } from "../../tools/system/pty.ts";

/** Makes a terminal slow to obey, so that a mode which comes too late is seen. */
const SLOW_MODES = `
  const stdin = Deno.stdin;
  const setRaw = stdin.setRaw;
  stdin.setRaw = (...how) => {
    const late = performance.now() + 100;
    while (performance.now() < late);
    setRaw.apply(stdin, how);
    while (performance.now() < late + 100);
  };
`;

ptyTest(
  "--plain hides a password that is typed as soon as its question is seen",
  async () => {
    await using server = quietServer();
    using bob = await RawClient.enter(server.port, "bob", "#default");
    const address = `127.0.0.1:${server.port}`;
    const args = ["client.ts", "alice", address, "--plain"];
    await using alice = await runAfter(SLOW_MODES, args);
    await alice.until(/you joined #default/);
    await bob.next("NOTICE joined");

    alice.type("/signup\n");
    for (let round = 0; round < 20; round++) {
      await alice.until(/New password for alice: $/);
      alice.type("sesame one\r");
      await alice.until(/alice: \r\n/);
      alice.type("sesame "); // before the next question is seen
      await alice.until(/Repeat the password: $/);
      alice.type("two\r");
      await alice.until(/Type both again[^]*\r\n/);
      assertFalse(alice.text.includes("sesame"), alice.text);
      alice.text = alice.text.slice(alice.text.indexOf("cancels.") + 8);
    }
    alice.type("sesame street\rsesame street\r");
    await alice.until(/Registered\. You now have the account alice\..*\r\n/);
    assertFalse(alice.text.includes("sesame"), alice.text);
    alice.type("shown again\n");

    assertMatch(await bob.next("FORWARD"), /\n\nshown again$/);
    await alice.until(/shown again/);
    alice.type("/quit\n");
    assertEquals(await alice.exitCode(), 0);
    assertMatch(await alice.mode(), / icanon .* echo /s);
  },
);

for (const plain of [[], ["--plain"]]) {
  const how = plain.length > 0 ? ", with --plain" : "";
  ptyTest(
    `a password to sign in is hidden from its first key${how}`,
    async () => {
      await using server = quietServer();
      await makeAccount(server.port, "alice", "sesame street");
      const address = `127.0.0.1:${server.port}`;
      const args = ["client.ts", "alice", address, "--login", ...plain];
      await using alice = await runAfter(SLOW_MODES, args);

      for (const password of ["sesame one", "sesame two", "sesame street"]) {
        await alice.until(/Password for alice: $/);
        alice.text = "";
        alice.type(`${password}\r`);
        await alice.until(/\r\n/);
        await alice.until(/left: \d|Welcome, alice/);
        assertFalse(alice.text.includes("sesame"), alice.text);
      }
    },
  );
}
