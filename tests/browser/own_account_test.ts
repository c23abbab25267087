/** The own account in a real browser: its password, its end, and codes. */
import { assertEquals, assertMatch } from "@std/assert";
import { ITERATIONS } from "../../core/scram.ts";
import {
  makeAccount,
  request,
  signUp,
  verifierFor,
} from "../tools/account_tools.ts";
import {
  pageTest as browserTest,
  Person,
  SCREENS,
  violations,
} from "../tools/browser.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import {
  serveWebSockets,
  startTestServer,
  type TestServer,
} from "../tools/net/test_server.ts";
import { fileBrowser } from "./scene.ts";

const browser = fileBrowser();

/** Declares a test with a server and a page, on a phone and on a wide screen. */
function pageTest(
  name: string,
  test: (server: TestServer, alice: Person) => Promise<void>,
): void {
  for (const [screen, options] of SCREENS) {
    browserTest(`${name}, on ${screen}`, async () => {
      const server = startTestServer();
      await using ending = new AsyncDisposableStack();
      ending.use(server);
      const web = ending.use(serveWebSockets(server));
      const url = `http://127.0.0.1:${web.port}/`;
      await test(
        server,
        ending.use(await Person.open(browser(), url, options)),
      );
    });
  }
}

/** Fills the field of the dialog, or of the form, with this label. */
async function fill(
  { page }: Person,
  within: string,
  fields: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [label, text] of Object.entries(fields)) {
    await page.locator(within).getByLabel(label, { exact: true }).fill(text);
  }
}

/** Joins with a password. */
async function signIn(person: Person, name: string, password: string) {
  await person.page.getByLabel("Sign in").check();
  await fill(person, "#entrance-form", { Name: name, Password: password });
  await person.click("Join");
}

pageTest(
  "a page shows the room in which another device of the account is",
  async (server, alice) => {
    const password = "old password";
    using other = await RawClient.connect(server.port);
    const verifier = await verifierFor(password, ITERATIONS);
    await other.send(request("SIGNUP alice", verifier));
    await other.next("REGISTERED alice");
    await other.send("JOIN #lab\n\n");
    await other.next("JOINED #lab");
    await signIn(alice, "alice", password);
    await alice.page.getByRole("heading", { name: "#lab" }).waitFor();
    using bob = await RawClient.enter(server.port, "bob", "#lab");
    await alice.say("hello");
    assertMatch(await bob.next("FORWARD alice"), /\nTo: #lab\n/);
  },
);

pageTest(
  "an owner changes the password, and deletes the account",
  async (server, alice) => {
    await makeAccount(server.port, "alice", "old password");
    const { page } = alice;
    const dialog = page.locator("#own-dialog");
    await signIn(alice, "alice", "old password");
    await page.getByRole("heading", { name: "#default" }).waitFor();

    await alice.say("/password");
    await dialog.getByRole("heading", { name: "Change the password" })
      .waitFor();
    await fill(alice, "#own-dialog", {
      "Present password": "wrong password",
      "New password": "new password",
      "Repeat the password": "new passwort",
    });
    await alice.click("Change password");
    await dialog.getByText("The two passwords are different").waitFor();
    assertEquals(await violations(alice), []);
    await fill(alice, "#own-dialog", { "Repeat the password": "new password" });
    await alice.click("Change password");
    await dialog.getByText(/wrong password/).waitFor();
    await fill(alice, "#own-dialog", { "Present password": "old password" });
    await alice.click("Change password");
    await page.getByText("The password of alice is changed.").waitFor();
    assertEquals(await page.locator("#own-present").inputValue(), "");

    await alice.say("/unregister");
    await dialog.getByRole("heading", { name: "Delete the account" }).waitFor();
    await fill(alice, "#own-dialog", {
      "Present password": "new password",
      "Your name, to confirm": "bob",
    });
    await alice.click("Delete account");
    await dialog.getByText("Type your name to confirm that").waitFor();
    assertEquals(await violations(alice), []);
    await fill(alice, "#own-dialog", { "Your name, to confirm": "alice" });
    await alice.click("Delete account");
    await page.locator("#entrance-form").waitFor();
    assertEquals((await server.context.accounts.load()).all(), []);
  },
);

pageTest(
  "a guest has no password to change, and signs up in the same dialog",
  async (server, alice) => {
    await alice.comeIn("alice");
    const { page } = alice;

    await alice.say("/unregister");
    await page.getByText("alice has no account; /signup creates one").first()
      .waitFor();
    await alice.say("/signup");
    await page.getByRole("heading", { name: "Create an account" }).waitFor();
    assertEquals(await page.getByLabel("Present password").isVisible(), false);
    await fill(alice, "#own-dialog", {
      "Password": "three new words",
      "Repeat the password": "three new words",
    });
    await page.locator("#own-submit").click();
    await page.getByText("Registered. You now have the account alice.").first()
      .waitFor();
    const all = (await server.context.accounts.load()).all();
    assertEquals(all.map(({ name }) => name), ["alice"]);
  },
);

pageTest(
  "a user whose name waits for a code is asked for it by the form",
  async (server, alice) => {
    {
      using old = await RawClient.connect(server.port);
      await old.ask(await signUp("alice"));
    }
    const answer = await server.console.run("reset alice");
    const [, code = ""] = /\n {2}(\S+)$/.exec(answer) ?? [];
    const { page } = alice;
    const form = page.locator("#entrance-form");

    assertEquals(
      await form.getByLabel("Code of the operator").isVisible(),
      false,
    );
    await fill(alice, "#entrance-form", { Name: "alice" });
    await alice.click("Join");
    await form.getByText(/^alice waits for a code of the operator/).waitFor();
    await fill(alice, "#entrance-form", {
      "Code of the operator": "wrong-code",
      "Password": "three new words",
      "Repeat the password": "three new words",
    });
    assertEquals(await violations(alice), []);
    await alice.click("Join");
    await form.getByText("Wrong code. Attempts left: 2").waitFor();
    await fill(alice, "#entrance-form", { "Code of the operator": code });
    await alice.click("Join");
    await page.getByRole("heading", { name: "#default" }).waitFor();
    assertEquals(await page.locator("#code").inputValue(), "");
  },
);
