/** Display names on the page: the own one, and those of others. */
import { assertEquals } from "@std/assert";
import { bytes, RawClient } from "../../tools/net/raw_client.ts";
import { SCREENS, violations } from "../../tools/browser.ts";
import { scenes } from "../scene.ts";

const scene = scenes();

for (const [screen, options] of SCREENS) {
  scene(
    `a user sets a display name, and sees those of others with their names, on ${screen}`,
    async ({ enter, server }) => {
      using jose = await RawClient.enter(server.port, "jose2", "#default");
      const take = async (nick: string) => {
        const head = `NICK\nContent-length: ${bytes(nick).length}\n\n`;
        await jose.send(head + nick);
        await jose.next("NICKED");
      };
      await take("José");
      const alice = await enter("alice", options);
      const { page } = alice;
      const messages = page.locator("#messages");
      await jose.say("#default", "hola");
      const who = messages.locator(".who").getByText("José (jose2)");
      await who.waitFor({ state: "attached" });
      await take("Pepe");
      await messages.locator(".who").getByText("Pepe (jose2)").waitFor({
        state: "attached",
      });
      await messages.getByText("jose2 is shown as Pepe (jose2) now").waitFor();
      if (!await page.locator("#nick").isVisible()) {
        await page.locator("#open-sidebar").click();
      }
      await page.locator("#nick").click();
      const dialog = page.getByRole("dialog");
      const text = dialog.getByLabel("Display name");
      await text.fill("pepe");
      await dialog.getByRole("button", { name: "Save" }).click();
      await dialog.getByText('it looks like "Pepe"').waitFor();
      assertEquals(await violations(alice), []);
      await text.fill("Алиса");
      await dialog.getByRole("button", { name: "Save" }).click();
      await page.locator("#me").getByText("Алиса (alice)").waitFor();
      await jose.next(
        "NOTICE nick\nRoom: #default\nContent-length: 17\n\nalice Алиса",
      );
      await page.locator("#people [data-person=jose2]").getByText(
        "Pepe (jose2)",
      ).waitFor({ state: "attached" });
      assertEquals(await violations(alice), []);

      // A long one is cut, and the name behind it stays in sight.
      await take("Wolfgang Amadeus of Mozartsburg");
      const label = page.locator("#people [data-person=jose2] .name");
      await label.getByText("(jose2)").waitFor({ state: "attached" });
      const [nick, name] = await label.locator("span").evaluateAll((parts) =>
        parts.map((part) => [
          part.textContent,
          part.scrollWidth <= part.clientWidth,
          part.getBoundingClientRect().right <=
            part.parentElement!.getBoundingClientRect().right,
        ])
      );
      assertEquals(nick, ["Wolfgang Amadeus of Mozartsburg", false, true]);
      assertEquals(name, [" (jose2)", true, true]);
      assertEquals(alice.complaints, []);
    },
  );
}
