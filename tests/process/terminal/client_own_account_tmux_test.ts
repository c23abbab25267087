/** The own account as a person has it, on a terminal: its password, its end, codes. */
import { assertEquals, assertMatch } from "@std/assert";
import { makeAccount } from "../../tools/account_tools.ts";
import { quietServer, TmuxScreen } from "../../tools/client_tools.ts";
import { consoleOf } from "../../tools/operator.ts";
import { tmuxTest } from "../../tools/system/skips.ts";

for (const plain of [false, true]) {
  const more = plain ? ["--plain"] : [];
  const mode = plain ? ", with --plain" : "";

  tmuxTest(
    `/password changes the password, and /unregister ends the account${mode}`,
    async () => {
      await using server = quietServer();
      await makeAccount(server.port, "alice", "old password");
      await using screen = await TmuxScreen.open(100);
      const signIn = async (password: string) => {
        const address = `127.0.0.1:${server.port}`;
        await screen.client("alice", address, "--login", ...more);
        await screen.until("Password for alice:");
        await screen.line(password);
      };

      await signIn("old password");
      await screen.until("you joined #default");
      await screen.line("/password");
      await screen.until("Present password of alice:");
      await screen.line("wrong password");
      await screen.until("New password for alice:");
      await screen.line("short");
      await screen.until("! Cannot use the password: it has 5 characters, and");
      await screen.line("new password");
      await screen.until("Repeat the password:");
      await screen.line("new password");
      await screen.until("ERROR 111");
      await screen.keys("C-l");
      await screen.line("/password");
      await screen.until(/Present password of alice:\s*$/);
      await screen.line("old password");
      await screen.until(/New password for alice:\s*$/);
      await screen.line("new password");
      await screen.until(/Repeat the password:\s*$/);
      await screen.line("new password");
      await screen.until("* The password of alice is changed.");
      await screen.line("LOGOUT");
      await screen.until("code 0");

      await signIn("new password");
      await screen.until("* Welcome, alice.");
      await screen.line("/unregister");
      await screen.until("Password of alice:");
      await screen.line("new password");
      await screen.until("Type its name to confirm:");
      await screen.line("bob");
      await screen.until("Not confirmed. Nothing has changed.");
      await screen.keys("C-l");
      await screen.line("/unregister");
      await screen.until(/Password of alice:\s*$/);
      await screen.line("new password");
      await screen.until(/Type its name to confirm:\s*$/);
      await screen.line("alice");
      await screen.until(/\* The account alice is deleted[^]*code 0/);
      assertEquals((await server.context.accounts.load()).all(), []);
      const all = await screen.everything();
      assertEquals(/(old|new|wrong) password\b(?! for)/.test(all), false);
    },
  );

  tmuxTest(
    `a user whose name waits for a code is asked for it, and chooses a password${mode}`,
    async () => {
      await using server = quietServer();
      await makeAccount(server.port, "alice");
      const answer = await consoleOf(server).run("reset alice");
      const [, code = ""] = /\n {2}(\S+)$/.exec(answer) ?? [];
      await using screen = await TmuxScreen.open(100);
      const address = `127.0.0.1:${server.port}`;

      await screen.client("alice", address, ...more);
      await screen.until("! ERROR 123 Code required");
      await screen.until("Code of the operator (Enter: none):");
      await screen.line("wrong-code");
      await screen.until("New password for alice:");
      await screen.line("three new words");
      await screen.until("Repeat the password:");
      await screen.line("three new words");
      await screen.until(/ERROR 111[^]*wrong code[^]*Attempts left: 2/);
      await screen.until(/Code of the operator \(Enter: none\):\s*$/);
      await screen.line(code);
      await screen.until(/New password for alice:\s*$/);
      await screen.line("three new words");
      await screen.until(/Repeat the password:\s*$/);
      await screen.line("three new words");
      await screen.until("* Registered. You now have the account alice.");
      await screen.line("from before the code");
      await screen.until("alice: from before the code");
      await screen.line("LOGOUT");
      await screen.until("code 0");

      const again = await consoleOf(server).run("reset alice");
      const [, second = ""] = /\n {2}(\S+)$/.exec(again) ?? [];
      await screen.client("alice", address, "--code", second, ...more);
      await screen.until(/New password for alice:\s*$/);
      await screen.line("other new words");
      await screen.until(/Repeat the password:\s*$/);
      await screen.line("other new words");
      await screen.until(/Registered\. You now have the account alice\.[^]*$/);
      await screen.until("messages above are older");
      await screen.line("LOGOUT");
      await screen.until("code 0");
      const all = await screen.everything();
      assertMatch(all, /Welcome, alice/);
      assertMatch(all, / alice: from before the code/); // not "alice (earlier)"
    },
  );
}
