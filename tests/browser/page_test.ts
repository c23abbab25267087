/** The page in a real browser: people who talk, with pages and terminals. */
import {
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
} from "@std/assert";
import { FOREIGN_HOST, hasChromium, Person } from "../tools/browser.ts";
import { ClientProcess } from "../tools/client_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import {
  serveWebSockets,
  startTestServer,
  type TestServer,
} from "../tools/net/test_server.ts";
import { fileBrowser } from "./scene.ts";

const browser = fileBrowser();

/** A test in the browser, which goes on between tests: it is no leak. */
function pageTest(name: string, test: (room: Place) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !hasChromium,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const server = startTestServer();
      const web = serveWebSockets(server, [FOREIGN_HOST]);
      const people = new AsyncDisposableStack();
      try {
        await test({ server, url: `http://127.0.0.1:${web.port}/`, people });
      } finally {
        await people.disposeAsync();
        web[Symbol.dispose]();
        await server[Symbol.asyncDispose]();
      }
    },
  });
}

/** The place of a test. */
interface Place {
  readonly server: TestServer;
  readonly url: string;
  /** The users who leave at its end. */
  readonly people: AsyncDisposableStack;
}

/** A user joins, and leaves at the end of the test. */
async function enter({ url, people }: Place, name: string): Promise<Person> {
  const person = people.use(await Person.enter(browser(), url, name));
  people.defer(() => assertEquals(person.complaints, [], name));
  return person;
}

pageTest(
  "two pages and a terminal in one room hear each other",
  async (place) => {
    const alice = await enter(place, "alice");
    const bob = await enter(place, "bob");
    const port = `${place.server.port}`;
    const carol = place.people.use(
      new ClientProcess(["carol", "127.0.0.1", "--port", port, "--plain"]),
    );
    await carol.until("you joined #default");

    await alice.say("from a page");
    await bob.sees("from a page");
    await carol.until("alice: from a page");
    await carol.type("from a terminal\n");
    await alice.sees("from a terminal");
    await bob.sees("from a terminal");
    await bob.say("from another page");
    await alice.sees("from another page");
    await carol.until("bob: from another page");

    assertEquals(await alice.messages(), [
      "You: from a page",
      "carol: from a terminal",
      "bob: from another page",
    ]);
  },
);

for (const width of [721, 1_000, 1_100]) {
  pageTest(
    `${width} px wide, a page shows all that its fields ask for`,
    async ({ url, people }) => {
      const viewport = { width, height: 700 };
      const alice = people.use(
        await Person.enter(browser(), url, "alice", { viewport }),
      );

      const spare = await alice.page.evaluate(`((field) => {
      const style = getComputedStyle(field);
      const canvas = document.createElement("canvas").getContext("2d");
      canvas.font = style.font;
      return field.clientWidth - parseFloat(style.paddingLeft) -
        parseFloat(style.paddingRight) -
        canvas.measureText(field.placeholder).width;
    })(document.getElementById("room"))`);

      assertGreater(Number(spare), 0);
    },
  );
}

pageTest(
  "who comes in sees what was said, and where that is new begins",
  async (place) => {
    const alice = await enter(place, "alice");
    for (const text of ["one", "two", "three"]) await alice.say(text);
    await alice.allSent();

    const bob = await enter(place, "bob");
    await bob.sees("three");
    await alice.say("four");
    await bob.sees("four");

    assertEquals(await bob.messages(), [
      "alice: one",
      "alice: two",
      "alice: three",
      "alice: four",
    ]);
    const rows = await bob.page.locator("#messages > *").allInnerTexts();
    const mark = rows.indexOf("New");
    assertMatch(rows[mark - 1] ?? "", /three/);
    assertMatch(rows[mark + 1] ?? "", /four/);
  },
);

pageTest(
  "a name in use is refused with another that is free",
  async (place) => {
    await enter(place, "alice");
    const other = place.people.use(await Person.open(browser(), place.url));

    await other.page.getByRole("textbox", { name: "Name" }).fill("alice");
    await other.click("Join");
    const error = other.page.getByRole("alert").first();
    await error.waitFor();

    assertMatch(await error.innerText(), /^Cannot use the name "/);
    await other.click("Join as alice2");
    await other.page.getByRole("heading", { name: "#default" }).waitFor();
    assertEquals(await other.page.locator("#me").innerText(), "alice2");
  },
);

pageTest(
  "what is said in private reaches one, and what is said to all everybody",
  async (place) => {
    const alice = await enter(place, "alice");
    const bob = await enter(place, "bob");
    const carol = await enter(place, "carol");
    await carol.page.getByRole("textbox", { name: "Room to join or create" })
      .fill("lab");
    await carol.page.keyboard.press("Enter");
    await carol.page.getByRole("heading", { name: "#lab" }).waitFor();

    await alice.page.locator("#people").getByRole("button", { name: "bob" })
      .click();
    await alice.say("psst");
    await bob.page.locator("#private").getByRole("button", { name: /alice.*1/ })
      .click();
    await bob.sees("psst");
    await bob.say("what?");
    await alice.sees("what?");
    await bob.say("@ALL: lunch!");
    await carol.page.getByRole("button", { name: /^All users/ }).click();
    await carol.sees("lunch!");

    assertEquals(await carol.messages(), ["bob: lunch!"]);
    assertEquals(await alice.messages(), ["You: psst", "bob: what?"]);
  },
);

for (
  const [purpose, more, why, told] of [
    [
      "chat",
      "",
      "this user's page takes no direct sessions",
      "bob called you, but the page takes no direct sessions",
    ],
    [
      "file",
      "Name: notes.pdf\nSize: 5\n",
      "this user's page takes no files",
      "bob has files for you, but the page takes no files",
    ],
  ] as const
) {
  pageTest(
    `a page declines a call for ${purpose} at once, and says so to both`,
    async (place) => {
      const alice = await enter(place, "alice");
      using bob = await RawClient.enter(place.server.port, "bob");
      const session = `Session: ${"0123456789abcdef".repeat(2)}\n`;
      const call = `CALL alice\n${session}Address: 192.168.1.5:40001\n` +
        `Commit: ${"0123456789abcdef".repeat(4)}\n` +
        `Purpose: ${purpose}\n${more}\n`;

      for (let count = 0; count < 10; count++) {
        assertEquals(await bob.ask(call), "CALLING alice\n\n");
        assertEquals(
          await bob.frame(),
          `DECLINE alice\n${session}Reason: ${why}\n\n`,
        );
      }

      await alice.page.getByRole("alert").getByText(told).waitFor();
      assertEquals(await alice.page.getByText(told).count(), 1);
      await alice.say("still here");
      await alice.allSent();
    },
  );
}

pageTest(
  "without a page that can be trusted there are guests, and a word why",
  async (place) => {
    const url = place.url.replace("127.0.0.1", FOREIGN_HOST);
    const alice = place.people.use(await Person.open(browser(), url));

    const hint = await alice.page.locator("#no-accounts").innerText();
    await alice.comeIn("alice");
    await alice.say("hello");
    await alice.allSent();

    assertMatch(hint, /^Accounts need a page over HTTPS/);
    assertEquals(await alice.messages(), ["You: hello"]);
  },
);

pageTest(
  "who is at the end of the messages stays there, who reads above is left",
  async (place) => {
    const alice = await enter(place, "alice");
    const { page } = alice;
    using bob = await RawClient.enter(place.server.port, "bob", "#default");
    const toEnd = page.locator("#to-end");

    for (let number = 1; number <= 15; number++) {
      await bob.say("#default", `number ${number}\nwith\nfour\nlines`);
    }
    await bob.say("#default", "the last");
    await alice.sees("the last");
    await toEnd.waitFor({ state: "hidden" });
    await page.locator("#messages").hover();
    await page.mouse.wheel(0, -500);
    await toEnd.getByText("To the end ↓").waitFor();
    await bob.say("#default", "one more");
    await toEnd.getByText("1 new ↓").waitFor();
    const title = await page.title();
    await toEnd.click();
    await toEnd.waitFor({ state: "hidden" });
    await alice.until("document.title === 'Parley'");

    assertEquals(title, "(1) Parley");
    const rows = await page.locator("#messages > *").allInnerTexts();
    assertMatch(rows[rows.indexOf("New") + 1] ?? "", /one more/);
    const distance = await page.evaluate(
      `(({ scrollHeight, scrollTop, clientHeight }) =>
    scrollHeight - scrollTop - clientHeight)(document.getElementById("scroller"))`,
    );
    assertLess(Number(distance), 2);
  },
);
