/** Everybody can use the page: by keyboard, by ear, on any screen. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Browser } from "playwright-core";
import {
  hasChromium,
  launchBrowser,
  Person,
  SCREENS,
  violations,
} from "../tools/browser.ts";
import {
  RawClient,
  serveWebSockets,
  startTestServer,
} from "../tools/net/raw_client.ts";

let browser: Browser;
Deno.test.beforeAll(async () => {
  if (hasChromium) browser = await launchBrowser();
});
Deno.test.afterAll(async () => await browser?.close());

/** A test in the browser, which goes on between tests: it is no leak. */
function pageTest(
  name: string,
  test: (
    server: ReturnType<typeof startTestServer>,
    url: string,
  ) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !hasChromium,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const server = startTestServer();
      const web = await serveWebSockets(server);
      try {
        await test(server, `http://127.0.0.1:${web.port}/`);
      } finally {
        web[Symbol.dispose]();
        await server[Symbol.asyncDispose]();
      }
    },
  });
}

for (const [screen, options] of SCREENS) {
  pageTest(`axe finds nothing wrong on ${screen}`, async (server, url) => {
    using bob = await RawClient.enter(server.port, "bob", "#default", "#lab");
    await using alice = await Person.open(browser, url, options);
    const { page } = alice;
    const check = async (state: string) =>
      assertEquals(await violations(alice), [], state);

    await check("the form");
    await page.getByText("Sign up", { exact: true }).click();
    await check("the form of somebody who signs up");
    await page.getByText("Guest", { exact: true }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("bob");
    await alice.click("Join");
    await page.getByRole("button", { name: "Join as bob2" }).waitFor();
    await check("the form with a name in use");
    await alice.comeIn("alice");
    await check("an empty room");
    for (const text of ["hello alice", "https://example.org/", "two"]) {
      await bob.say("#default", text);
    }
    await bob.say("alice", "psst");
    await alice.sees("two");
    await alice.say("good morning");
    await alice.allSent();
    await check("a room where people talk");
    await server.console.run("say the lab closes at six");
    await page.getByText("The operator says").first().waitFor();
    await alice.say("@nobody: hello");
    await page.locator(".refused").waitFor();
    await check("a message that was refused, and what the operator says");
    await alice.say("/help");
    await page.getByText("Send a private message, as").first().waitFor();
    await alice.say("/send bob a.txt");
    await page.getByText("Cannot send files: this page has no program")
      .waitFor();
    await check("what a command answers, and a hint");
    if ((options.viewport?.width ?? 0) < 1000) {
      await alice.click(/^People/);
      await check("who is here");
      await page.keyboard.press("Escape");
      await alice.click("Conversations");
      await check("the conversations");
    }
    await alice.click("Create an account");
    await check("the form of an account");
    await alice.click("Cancel");
    await server.console.run("kick alice");
    await page.getByRole("button", { name: "Back to the start" }).waitFor();
    if ((options.viewport?.width ?? 0) < 1000) {
      await page.keyboard.press("Escape");
    }
    await check("removed");
  });
}

pageTest(
  "long names and long lists fit on a narrow screen",
  async (server, url) => {
    using others = new DisposableStack();
    for (const one of ["one", "two", "three"]) {
      const rooms = Array.from({ length: 70 }, (_, at) => `#${one}${at}`);
      others.use(await RawClient.enter(server.port, one, ...rooms));
    }
    const name = "W".repeat(32);
    const viewport = { width: 320, height: 640 };
    await using person = await Person.enter(browser, url, name, { viewport });
    const { page } = person;

    await person.say("W".repeat(1_000));
    await person.allSent();
    await person.click("Conversations");
    await page.getByText("And 10 more", { exact: true }).waitFor();
    const [own, close] = await Promise.all([
      page.locator("#me").boundingBox(),
      page.locator("#close-sidebar").boundingBox(),
    ]);

    assert(own!.x + own!.width <= close!.x, "the name covers the button");
    assertEquals(await page.locator("#me").getAttribute("title"), name);
    const width = page.locator("html");
    assertEquals(await width.evaluate((html) => html.scrollWidth), 320);
  },
);

pageTest("everything can be done by keyboard", async (server, url) => {
  using bob = await RawClient.enter(server.port, "bob", "#lab");
  await using alice = await Person.open(browser, url);
  const { page } = alice;
  const { keyboard } = page;

  await keyboard.type("alice");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "#default" }).waitFor();
  await keyboard.type("first line");
  await keyboard.press("Shift+Enter");
  await keyboard.type("second line");
  await keyboard.press("Enter");
  await alice.allSent();
  await page.getByRole("button", { name: /^#lab/ }).press("Enter");
  await page.getByRole("heading", { name: "#lab" }).waitFor();
  assertMatch(await bob.next("NOTICE joined"), /User: alice/);
  await keyboard.type("hello lab");
  await keyboard.press("Enter");
  assertMatch(await bob.next("FORWARD"), /hello lab$/);
  await keyboard.press("Alt+ArrowUp");
  await page.getByRole("heading", { name: "#default" }).waitFor();

  assertEquals(await alice.messages(), ["You: first line\nsecond line"]);
});

pageTest(
  "new messages are said aloud, old ones are not",
  async (server, url) => {
    using bob = await RawClient.enter(server.port, "bob", "#default");
    await bob.say("#default", "old news");
    await bob.next("SENT");
    await using alice = await Person.enter(browser, url, "alice");
    await alice.sees("old news");

    await bob.say("#default", "fresh news");
    await alice.sees("fresh news");

    const announcer = alice.page.locator("[aria-live=polite]");
    assertEquals(await announcer.allInnerTexts(), ["bob: fresh news"]);
  },
);

pageTest(
  "what was not seen is counted, and what is for us stands out",
  async (server, url) => {
    using bob = await RawClient.enter(server.port, "bob", "#default", "#lab");
    await using alice = await Person.enter(browser, url, "alice");
    const { page } = alice;
    await page.getByRole("button", { name: /^#lab/ }).click();
    await page.getByRole("heading", { name: "#lab" }).waitFor();

    await bob.say("#default", "nothing for you");
    await page.getByRole("button", { name: /^#default/ }).getByText("1")
      .waitFor();
    const quiet = await page.locator(".badge.called:visible").count();
    await bob.say("#default", "but this, Alice!");
    await page.locator(".badge.called").getByText("2").waitFor();
    const title = await page.title();
    await page.getByRole("button", { name: /^#default/ }).click();
    await alice.sees("nothing for you");

    assertEquals(quiet, 0);
    assertEquals(title, "(2) Parley");
    assertEquals(await page.locator("mark").allInnerTexts(), ["Alice"]);
    await page.waitForFunction("document.title === 'Parley'");
  },
);

pageTest(
  "an account is made, left, and come back to with its password",
  async (_, url) => {
    await using alice = await Person.enter(browser, url, "alice");
    const { page } = alice;
    await alice.click("Create an account");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Password", { exact: true }).fill("correct horse");
    await dialog.getByLabel("Repeat the password").fill("correct horse");
    await alice.click("Create account");
    await page.locator("#standing").getByText("account").waitFor();
    await alice.click("Disconnect");

    await alice.click("Join"); // as a guest, which the name is not for
    const error = page.locator("#entrance-error");
    await error.getByText("alice has an account").waitFor();
    const password = page.locator("#password");
    await password.fill("wrong");
    await alice.click("Join");
    await error.getByText("Attempts left: 2").waitFor();
    await password.fill("correct horse");
    await alice.click("Join");
    await page.getByRole("heading", { name: "#default" }).waitFor();

    assertEquals(await page.locator("#standing").innerText(), "account");
  },
);
