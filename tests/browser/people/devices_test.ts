/** A page and a terminal of one account at once. */
import { assertEquals } from "@std/assert";
import { BOX, scenes } from "../scene.ts";
import { ClientProcess } from "../../tools/client_tools.ts";
import { violations } from "../../tools/browser.ts";

const scene = scenes();

const PASSWORD = "correct horse";

scene(
  "a page and a terminal of one account show the same, and end each other",
  async ({ enter, raw, server }) => {
    const bob = await raw("bob", "#default");
    const alice = await enter("alice");
    const { page } = alice;
    await alice.say("/signup");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await dialog.getByLabel("Repeat the password").fill(PASSWORD);
    await dialog.getByRole("button", { name: "Create account" }).click();
    await page.locator("#standing").getByText("account").waitFor({
      state: "attached",
    });
    const path = await Deno.makeTempFile();
    await using _file = { [Symbol.asyncDispose]: () => Deno.remove(path) };
    await Deno.writeTextFile(path, PASSWORD);
    await Deno.chmod(path, 0o600);
    await using terminal = new ClientProcess([
      ...["alice", `127.0.0.1:${server.port}`],
      ...["--plain", "--password-file", path],
    ]);
    await terminal.until("you joined #default (2 here)");
    const messages = page.locator("#messages");
    const tab = (name: string) =>
      page.locator("#conversations, nav").getByText(name).first();

    // What one sends is on the other, public and private.
    await terminal.type("from the terminal\n");
    await messages.getByText("from the terminal", { exact: true }).waitFor();
    await alice.say("from the page");
    await terminal.until("#default alice: from the page");
    await alice.say("@bob: psst");
    await terminal.until("you -> bob: psst");
    for (let i = 0; i < 3; i++) await bob.next("FORWARD alice");

    // A room of one is a room of the other, and so is the end of it.
    await terminal.type("/join lab\n");
    await terminal.until("you joined #lab");
    await tab("#lab").waitFor();
    await terminal.type("/leave\n");
    await terminal.until("you left #lab");
    await page.getByText("#lab").first().waitFor({ state: "detached" });
    await alice.say("/join other");
    await terminal.until("you joined #other on another device");

    // What is answered on the terminal is not unread on the page.
    await bob.say("alice", "are you there?");
    await terminal.until("bob -> you: are you there?");
    const unread = page.getByTitle("1 unread");
    await unread.waitFor();
    await terminal.type("@bob: yes\n");
    await unread.waitFor({ state: "hidden" });

    // Both are in the list, and one ends the other.
    await alice.say("/devices end 9");
    await page.getByText("your account has no device 9").first().waitFor();
    await alice.say("/devices");
    await messages.getByText(/2 .*Parley in a terminal/).waitFor();
    await alice.say("/devices end 2");
    assertEquals((await terminal.ended()).code, 5);
    await page.locator(BOX).waitFor();
    assertEquals(await violations(alice), []);
    assertEquals(alice.complaints, []);
  },
);
