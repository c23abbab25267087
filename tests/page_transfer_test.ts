/** Files from page to page and to terminals, with the true program between. */
import { assertEquals } from "@std/assert";
import type { Browser } from "playwright-core";
import {
  drop,
  hasChromium,
  launchBrowser,
  pageTest,
  Person,
} from "./browser.ts";
import { ClientProcess, quietServer } from "./client_tools.ts";
import { snapshot, writeFiles } from "./file_tools.ts";
import { servePage } from "./page_player.ts";
import { tempFolder } from "./temp.ts";

let browser: Browser;
Deno.test.beforeAll(async () => {
  if (hasChromium) browser = await launchBrowser();
});
Deno.test.afterAll(async () => await browser?.close());

/** Comes in with a page of --gui, whose files go to `folder`. */
async function enter(
  people: AsyncDisposableStack,
  name: string,
  { port, folder }: { port: number; folder: string },
): Promise<Person> {
  const local = people.use(await servePage({ folder }));
  const person = people.use(await Person.open(browser, local.address));
  people.defer(() => assertEquals(person.complaints, [], name));
  await person.page.getByLabel("Server").fill("127.0.0.1");
  await person.page.getByLabel("Port").fill(`${port}`);
  await person.comeIn(name);
  return person;
}

pageTest(
  "a folder goes from page to page, whole, and both are told",
  async () => {
    using from = tempFolder();
    using to = tempFolder();
    const names = Array.from(
      { length: 120 },
      (_, at) => [`trip/${at}.bin`, at],
    );
    writeFiles(from.path, {
      ...Object.fromEntries(names),
      "trip/day 2/é.bin": 3_000_000,
      "list.txt": 10,
    });
    await using server = quietServer();
    await using people = new AsyncDisposableStack();
    const { port } = server;
    const alice = await enter(people, "alice", { port, folder: from.path });
    const bob = await enter(people, "bob", { port, folder: to.path });

    await alice.page.locator('#people [data-person="bob"]').waitFor();
    await drop(alice, '#people [data-person="bob"]', [
      `${from.path}/trip`,
      `${from.path}/list.txt`,
    ]);
    await bob.click("Accept trip/ and 1 more from alice");
    await alice.page.getByRole("alert").getByText(/^bob has trip\/ and 1 more/)
      .waitFor();
    await bob.page.locator("#private").getByRole("button", {
      name: /^alice/,
    })
      .click();
    await bob.page.locator("#messages").getByText(/^trip\/ and 1 more of alice/)
      .waitFor();

    assertEquals(snapshot(to.path), snapshot(from.path));
    for (const { page } of [alice, bob]) {
      assertEquals(await page.locator("#files").isVisible(), false);
    }
  },
);

pageTest(
  "what a terminal sends to a page is declined, and then accepted",
  async () => {
    using from = tempFolder();
    using to = tempFolder();
    writeFiles(from.path, { "notes.pdf": 1_000_000 });
    await using server = quietServer();
    await using people = new AsyncDisposableStack();
    const { port } = server;
    const alice = await enter(people, "alice", { port, folder: to.path });
    const bob = people.use(
      new ClientProcess(["bob", `127.0.0.1:${port}`, "--plain"]),
    );
    await bob.until("you joined #default");

    await bob.type(`/send alice ${from.path}/notes.pdf\n`);
    await alice.click("Decline notes.pdf from bob");
    await bob.until("alice declined");
    await bob.type(`/send alice ${from.path}/notes.pdf\n`);
    await alice.click("Accept notes.pdf from bob");
    await bob.until("alice has notes.pdf");
    await alice.page.getByRole("alert").getByText(/^notes\.pdf of bob is here/)
      .waitFor();

    assertEquals(snapshot(to.path), snapshot(from.path));
  },
);
