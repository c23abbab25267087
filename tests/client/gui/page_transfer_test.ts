/** Files between pages of `client.ts --gui` in a browser, and terminals. */
import { assertEquals } from "@std/assert";
import type { Browser } from "playwright-core";
import { pageFiles } from "../../../client/gui/page_session.ts";
import { type LocalPage, serveLocally } from "../../../client/gui/local.ts";
import {
  drop,
  hasChromium,
  launchBrowser,
  pageTest,
  Person,
} from "../../tools/browser.ts";
import { quietServer, terminal } from "../../tools/client_tools.ts";
import { snapshot, writeFiles } from "../../tools/file_tools.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

let browser: Browser;
Deno.test.beforeAll(async () => {
  if (hasChromium) browser = await launchBrowser();
});
Deno.test.afterAll(async () => await browser?.close());

/** Somebody's program and page, and the folder where their files go. */
class Desk implements AsyncDisposable {
  readonly person: Person;
  readonly #local: LocalPage;
  readonly #downloads: ReturnType<typeof tempFolder>;

  private constructor(
    person: Person,
    local: LocalPage,
    downloads: ReturnType<typeof tempFolder>,
  ) {
    this.person = person;
    this.#local = local;
    this.#downloads = downloads;
  }

  static async open(port: number, name: string): Promise<Desk> {
    const downloads = tempFolder();
    const local = serveLocally({
      settings: { server: "127.0.0.1", port },
      dial: ({ host, port }) =>
        Deno.connect({ hostname: host, port: Number(port) }),
      files: pageFiles({ folder: downloads.path, hostname: "127.0.0.1" }),
    });
    const person = await Person.enter(browser, local.address, name);
    return new Desk(person, local, downloads);
  }

  /** What has arrived. */
  get received(): Record<string, string> {
    return snapshot(this.#downloads.path);
  }

  /** Waits until somebody is in the room. */
  async meets(name: string): Promise<void> {
    await this.person.page.locator(rowOf(name)).waitFor();
  }

  /** Sends files to somebody, picked in the private conversation. */
  async pick(name: string, ...paths: string[]): Promise<void> {
    const { page } = this.person;
    await page.locator(`${rowOf(name)} button`).click();
    const choosing = page.waitForEvent("filechooser");
    await this.person.click("Send files");
    await (await choosing).setFiles(paths);
  }

  /** Waits for words about files in the conversation with somebody. */
  async reads(name: string, text: string | RegExp): Promise<void> {
    const { page } = this.person;
    await page.locator("#private").getByRole("button", { name }).click();
    await page.locator("#messages > .event, #messages > .fault")
      .getByText(text).first().waitFor();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    assertEquals(this.person.complaints, []);
    await this.person[Symbol.asyncDispose]();
    await this.#local[Symbol.asyncDispose]();
    this.#downloads[Symbol.dispose]();
  }
}

/** Where somebody is in the list of people. */
function rowOf(name: string): string {
  return `#people [data-person="${name}"]`;
}

/** A test with a server, and files in a folder. */
function filesTest(
  name: string,
  files: Record<string, string | number>,
  test: (place: { server: TestServer; from: string }) => Promise<void>,
): void {
  pageTest(name, async () => {
    await using server = startTestServer();
    using from = tempFolder();
    writeFiles(from.path, files);
    await test({ server, from: from.path });
  });
}

filesTest(
  "a file goes from one page to another, whole",
  { "photo.jpg": 5_000_000 },
  async ({ server, from }) => {
    await using alice = await Desk.open(server.port, "alice");
    await using bob = await Desk.open(server.port, "bob");
    await alice.meets("bob");

    await alice.pick("bob", `${from}/photo.jpg`);
    await bob.person.click("Accept photo.jpg from alice");
    await alice.reads("bob", /Sent photo\.jpg to bob \(5 MB in /);
    await bob.reads("alice", /Received photo\.jpg from alice \(5 MB in .*jpg$/);

    assertEquals(bob.received, snapshot(from));
    await alice.person.page.locator("#files").waitFor({ state: "hidden" });
  },
);

filesTest(
  "a folder is dropped on a name, and arrives whole",
  {
    ...Object.fromEntries(
      Array.from({ length: 120 }, (_, at) => [`trip/${at}.bin`, at]),
    ),
    "trip/day 2/é.bin": 3_000_000,
    "list.txt": 10,
  },
  async ({ server, from }) => {
    await using alice = await Desk.open(server.port, "alice");
    await using bob = await Desk.open(server.port, "bob");
    await alice.meets("bob");

    await drop(alice.person, rowOf("bob"), [
      `${from}/trip`,
      `${from}/list.txt`,
    ]);
    await bob.person.click("Accept trip/ and 1 more from alice");
    await alice.reads("bob", /^Sent trip\/ and 1 more to bob/);

    assertEquals(bob.received, snapshot(from));
  },
);

filesTest(
  "files go between a page and a terminal, both ways",
  { "one.txt": 70_000, "two.txt": 0, "back/three.txt": 1_000 },
  async ({ server, from }) => {
    using to = tempFolder();
    await using alice = await Desk.open(server.port, "alice");
    const downloads = ["--downloads", to.path];
    await using bob = await terminal("bob", server.port, ...downloads);
    await alice.meets("bob");

    await alice.pick("bob", `${from}/one.txt`, `${from}/two.txt`);
    await bob.until("alice offers one.txt and 1 more (2 files, ");
    await bob.type("/accept\n");
    await alice.reads("bob", "Sent one.txt and 1 more to bob");
    await bob.type(`/send alice ${from}/back\n`);
    await alice.person.click("Accept back/ from bob");
    await bob.until("Sent back/ to alice (1 kB in ");
    await alice.reads("bob", "Received back/ from bob (1 kB in ");

    const { "back/": _, "back/three.txt": three, ...others } = snapshot(from);
    assertEquals(snapshot(to.path), others);
    assertEquals(alice.received, { "back/": "", "back/three.txt": three! });
  },
);

filesTest(
  "an offer is declined on the page, and a transfer cancelled there",
  { big: 1, small: 1 },
  async ({ server, from }) => {
    Deno.truncateSync(`${from}/big`, 10 ** 9); // too big to be there soon
    using to = tempFolder();
    await using alice = await Desk.open(server.port, "alice");
    const downloads = ["--downloads", to.path];
    await using bob = await terminal("bob", server.port, ...downloads);
    await alice.meets("bob");

    await bob.type(`/send alice ${from}/small\n`);
    await alice.person.click("Decline small from bob");
    await bob.until("! small to alice: alice declined: not now");
    await alice.pick("bob", `${from}/big`);
    await bob.until("/accept alice");
    await bob.type("/accept\n");
    await alice.person.page.locator("#transfers").getByText("%, ").waitFor();
    await alice.person.click("Cancel big to bob");
    await alice.reads("bob", "big to bob: you cancelled it");
    await bob.until("! big from alice: alice cancelled it");
  },
);

filesTest(
  "seven who stand still keep no eighth waiting",
  { big: 1, small: 1 },
  async ({ server, from }) => {
    Deno.truncateSync(`${from}/big`, 10 ** 9); // too big to be there soon
    using to = tempFolder();
    await using alice = await Desk.open(server.port, "alice");
    const { page } = alice.person;
    await using people = new AsyncDisposableStack();
    const cards = page.locator("#transfers > li");
    for (let index = 0; index < 8; index++) {
      const name = `bob${index}`;
      const bob = people.use(
        await terminal(name, server.port, "--downloads", to.path),
      );
      const isLast = index === 7;
      await alice.pick(name, `${from}/${isLast ? "small" : "big"}`);
      await bob.until("/accept alice");
      await bob.type("/accept\n");
      if (isLast) await bob.until("Received small from alice");
      else {
        await cards.nth(index).getByText("%, ").waitFor();
        bob.kill("SIGSTOP");
        people.defer(() => bob.kill("SIGCONT"));
      }
      await page.getByRole("button", { name: "#default" }).click();
    }
  },
);

filesTest(
  "a file that changes while its offer waits is not sent",
  { "notes.txt": "before" },
  async ({ server, from }) => {
    await using alice = await Desk.open(server.port, "alice");
    await using bob = await Desk.open(server.port, "bob");
    await alice.meets("bob");

    await alice.pick("bob", `${from}/notes.txt`);
    await bob.person.page.getByRole("button", { name: "Accept notes.txt" })
      .waitFor();
    writeFiles(from, { "notes.txt": "after that" });
    await bob.person.click("Accept notes.txt from alice");
    await alice.reads("bob", /notes\.txt to bob: Cannot read "notes\.txt"/);
    await bob.reads("alice", /notes\.txt from alice: Cannot read "notes\.txt"/);

    assertEquals(Object.keys(bob.received), []);
    // The browser says in its console that it does not read that file.
    alice.person.complaints.length = 0;
  },
);

pageTest("what is on its way goes on while the server is away", async () => {
  const server = quietServer();
  using from = tempFolder();
  writeFiles(from.path, { big: 60_000_000 });
  await using alice = await Desk.open(server.port, "alice");
  await using bob = await Desk.open(server.port, "bob");
  await alice.meets("bob");

  await alice.pick("bob", `${from.path}/big`);
  await bob.person.click("Accept big from alice");
  await alice.person.page.locator("#transfers").getByText("%, ").waitFor();
  await server[Symbol.asyncDispose]();
  await bob.reads("alice", /Received big from alice \(60 MB in /);

  assertEquals(bob.received, snapshot(from.path));
});
