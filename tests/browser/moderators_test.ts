/** A moderator's page: who is one, and the buttons beside the others. */
import { assertEquals } from "@std/assert";
import { RawClient } from "../tools/net/raw_client.ts";
import { SCREENS, violations } from "../tools/browser.ts";
import { scenes } from "./scene.ts";

const scene = scenes();

for (const [screen, options] of SCREENS) {
  scene(
    `a moderator mutes and disconnects with the buttons beside a user, on ${screen}`,
    async ({ enter, server }) => {
      const alice = await enter("alice", options);
      using bob = await RawClient.enter(server.port, "bob", "#default");
      const { page } = alice;
      const people = page.locator("#people");
      const isWide = await people.isVisible();
      const openPeople = async () => {
        if (!isWide) await page.locator("#open-people").click();
      };
      await alice.say("/signup");
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Password", { exact: true }).fill(
        "correct horse",
      );
      await dialog.getByLabel("Repeat the password").fill("correct horse");
      await dialog.getByRole("button", { name: "Create account" }).click();
      await page.locator("#standing").getByText("account").waitFor({
        state: "attached",
      });
      await openPeople();
      const menu = page.getByLabel("Moderate bob");
      assertEquals(await menu.count(), 0);

      await server.console.run("op alice");
      await menu.click();
      const own = page.locator("#people [data-person=alice]");
      await own.getByText("moderator").waitFor();
      assertEquals(await own.getByLabel("Moderate alice").count(), 0);
      assertEquals(await violations(alice), []);
      await people.getByRole("button", { name: "Mute for 10 minutes" }).click();
      await page.getByText(/^Muted bob for 10 minutes/).first().waitFor({
        state: "attached",
      });
      await bob.say("#default", "x");
      await bob.next("ERROR 120");
      await menu.click();
      await people.getByRole("button", { name: "Disconnect" }).click();
      await bob.next("ERROR 117");
      await page.locator("#people [data-person=bob]").waitFor({
        state: "detached",
      });

      await server.console.run("deop alice");
      using _carol = await RawClient.enter(server.port, "carol", "#default");
      await page.locator("#people [data-person=carol]").waitFor();
      assertEquals(await page.getByLabel("Moderate carol").count(), 0);
      assertEquals(alice.complaints, []);
    },
  );
}
