/** A private conversation on the page, with what was sent in it before. */
import { assertEquals } from "@std/assert";
import { signedUp } from "../../tools/account_tools.ts";
import { SCREENS, violations } from "../../tools/browser.ts";
import { BOX, scenes } from "../scene.ts";

const scene = scenes();

for (const [screen, options] of SCREENS) {
  scene(
    `a private conversation opens with its last messages, and loads earlier ones, on ${screen}`,
    async ({ enter, server }) => {
      using bob = await signedUp(server.port, "bob");
      const alice = await enter("alice", options);
      const { page } = alice;
      await alice.say("/signup");
      const dialog = page.getByRole("dialog");
      const password = "correct horse";
      await dialog.getByLabel("Password", { exact: true }).fill(password);
      await dialog.getByLabel("Repeat the password").fill(password);
      await dialog.getByRole("button", { name: "Create account" }).click();
      await page.locator("#standing").getByText("account").waitFor({
        state: "attached",
      });
      for (let i = 1; i <= 30; i++) {
        await bob.say("alice", `number ${i}`);
        await bob.next("SENT");
      }
      const messages = page.locator("#messages");
      await alice.say("@bob: an answer");
      await messages.getByText("an answer", { exact: true }).waitFor();
      await messages.getByText("number 30", { exact: true }).waitFor();

      // Closed, all of it is forgotten here.
      await alice.say("/leave");
      await messages.getByText("number 30", { exact: true }).waitFor({
        state: "detached",
      });
      await alice.say("@bob: again");
      await messages.getByText("number 30", { exact: true }).waitFor();
      const own = page.locator("#messages .own .text");
      assertEquals(await own.allTextContents(), ["an answer", "again"]);
      await page.locator("#scroller").evaluate((one) => one.scrollTop = 0);
      await messages.getByText("number 1", { exact: true }).waitFor();
      assertEquals(await messages.locator(".message").count(), 32);
      await page.locator("#earlier").waitFor({ state: "hidden" });
      assertEquals(await violations(alice), []);

      // One with a guest has no more than the page itself.
      await server.context.accounts.load();
      await alice.say("@nobody: hi");
      await messages.getByText("hi", { exact: true }).waitFor();
      await page.locator(BOX).waitFor();
      assertEquals(alice.complaints, []);
    },
  );
}
