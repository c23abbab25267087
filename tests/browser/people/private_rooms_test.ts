/** Private rooms on the page: made with the checkbox, invited to with the menu. */
import { assertEquals } from "@std/assert";
import { signedUp } from "../../tools/account_tools.ts";
import { SCREENS, violations } from "../../tools/browser.ts";
import { scenes } from "../scene.ts";

const scene = scenes();

for (const [screen, options] of SCREENS) {
  scene(
    `a private room is made, marked, invited to and closed, on ${screen}`,
    async ({ enter, server }) => {
      const alice = await enter("alice", options);
      const { page } = alice;
      using bob = await signedUp(server.port, "bob");
      await bob.ask("JOIN #default\n\n");
      const isWide = await page.locator("#people").isVisible();
      const open = async (panel: string) => {
        if (!isWide) await page.locator(`#open-${panel}`).click();
      };
      await open("sidebar");
      assertEquals(await page.locator("#privately-field").isVisible(), false);
      if (!isWide) await page.locator("#close-sidebar").click();
      await alice.say("/signup");
      const dialog = page.getByRole("dialog");
      const password = "correct horse";
      await dialog.getByLabel("Password", { exact: true }).fill(password);
      await dialog.getByLabel("Repeat the password").fill(password);
      await dialog.getByRole("button", { name: "Create account" }).click();
      await page.locator("#standing").getByText("account").waitFor({
        state: "attached",
      });

      await open("sidebar");
      await page.locator("#room").fill("group");
      await page.getByLabel("Private: for members only").check();
      assertEquals(await violations(alice), []);
      await page.getByRole("button", { name: "Join room" }).click();
      await page.getByRole("heading", { name: /^#group\.\w{4}$/ })
        .waitFor();
      await page.locator("#subtitle").getByText("private, 1 person here")
        .waitFor();
      await page.locator("#messages").getByText("To let a user in").waitFor();
      const title = await page.locator("#title").textContent();
      const room = title!;
      await alice.say("hello");

      // From another room, a user is invited with the menu beside the name.
      await alice.say("/join #default");
      await page.getByRole("heading", { name: "#default" }).waitFor();
      await open("people");
      await page.getByLabel("Actions for bob").click();
      assertEquals(await violations(alice), []);
      await page.getByRole("button", { name: `Invite to ${room}` }).click();
      await bob.next(`NOTICE invited\nRoom: ${room}\nUser: bob\nBy: alice\n`);
      if (!isWide) await page.locator("#close-people").click();
      await bob.ask(`JOIN ${room}\n\n`);
      await alice.say(`/join ${room}`);
      await page.locator("#subtitle").getByText("private, 2 people here")
        .waitFor();

      // The owner passes it on, and the new owner closes it.
      await open("people");
      await page.getByLabel("Actions for bob").click();
      await page.getByRole("button", { name: "Make the owner" }).click();
      await bob.next(`NOTICE owner\nRoom: ${room}\nOwner: bob\nBy: alice\n`);
      await page.getByLabel("Actions for bob").waitFor({ state: "detached" });
      if (!isWide) await page.locator("#close-people").click();
      assertEquals(await violations(alice), []);
      await bob.send(`SET ${room}\nClosed: yes\n\n`);
      await page.locator("#toasts").getByText(`bob closed`).waitFor();
      await page.getByRole("heading", { name: "#default" }).waitFor();
      assertEquals(alice.complaints, []);
    },
  );
}
