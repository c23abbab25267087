/** The topic above the messages, a word at the input of a quiet room, and buttons. */
import { assertEquals } from "@std/assert";
import { request } from "../../tools/account_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { SCREENS, violations } from "../../tools/browser.ts";
import { BOX, scenes } from "../scene.ts";

const scene = scenes();

for (const [screen, options] of SCREENS) {
  scene(
    `a page shows topic and quiet, and its user sets them with buttons as the owner, on ${screen}`,
    async ({ enter, server }) => {
      const alice = await enter("alice", options);
      const { page } = alice;
      const topic = page.locator("#topic");
      const quiet = page.locator("#quiet");
      const button = (name: string) =>
        page.getByRole("button", { name, exact: true });
      await page.locator("#about-room").waitFor({ state: "hidden" });
      assertEquals(await button("Make quiet").count(), 0);

      await alice.say("/signup");
      const dialog = page.getByRole("dialog");
      const password = "correct horse";
      await dialog.getByLabel("Password", { exact: true }).fill(password);
      await dialog.getByLabel("Repeat the password").fill(password);
      await dialog.getByRole("button", { name: "Create account" }).click();
      await page.locator("#standing").getByText("account").waitFor({
        state: "attached",
      });
      await alice.say("/join own");
      using bob = await RawClient.enter(server.port, "bob", "#own");

      await button("Set topic").click();
      const box = page.locator(BOX);
      assertEquals(await box.inputValue(), "/topic ");
      await box.pressSequentially("Bring a laptop");
      await button("Send").click();
      await topic.getByText("Bring a laptop", { exact: true }).waitFor();
      await button("Make quiet").click();
      await quiet.getByText("This room is quiet. You can send.").waitFor();
      await bob.say("#own", "x");
      await bob.next("ERROR 120");
      const people = page.locator("#people");
      const isWide = await people.isVisible();
      if (!isWide) await page.locator("#open-people").click();
      const menu = page.getByLabel("Actions for bob");
      await menu.click();
      await people.getByRole("button", { name: "Give voice" }).click();
      await page.locator("#people [data-person=bob]").getByText("voice", {
        exact: true,
      })
        .waitFor();
      await bob.say("#own", "now");
      await bob.next("SENT");
      assertEquals(await violations(alice), []);
      await menu.click();
      await people.getByRole("button", { name: "Take voice" }).click();
      await bob.next("NOTICE set\nRoom: #own\nBy: alice\nUnvoice: bob");
      if (!isWide) await page.locator("#close-people").click();
      await button("End quiet").click();
      await quiet.waitFor({ state: "hidden" });
      assertEquals(await violations(alice), []);

      // In another user's room there is nothing to press.
      using mia = await RawClient.connect(server.port);
      await mia.comeIn("mia", "#hers");
      await server.context.roomSettings.load().then((settings) =>
        settings.set("#hers", { quiet: true, topic: "<b>Tea</b>" })
      );
      await alice.say("/join hers");
      await topic.getByText("<b>Tea</b>", { exact: true }).waitFor();
      await quiet.getByText(/^This room is quiet: its owner/).waitFor();
      assertEquals(await button("End quiet").count(), 0);
      assertEquals(await violations(alice), []);
      await alice.say("not heard");
      await page.getByText(/Cannot send to #hers: it is quiet/).first()
        .waitFor();
      await mia.send(request("PING", ""));
      assertEquals(alice.complaints, []);
    },
  );
}
