/** Everybody can use the page: by keyboard, by ear, on any screen. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { logIn, signedUp } from "../tools/account_tools.ts";
import { hasChromium, Person, SCREENS, violations } from "../tools/browser.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { serveWebSockets, startTestServer } from "../tools/net/test_server.ts";
import { fileBrowser } from "./scene.ts";

const browser = fileBrowser();

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
      const web = serveWebSockets(server);
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
    await using alice = await Person.open(browser(), url, options);
    const { page } = alice;
    const check = async (state: string) =>
      assertEquals(await violations(alice), [], state);

    await check("the form");
    await page.getByText("Sign up", { exact: true }).click();
    await check("the form of somebody who signs up");
    await page.getByText("Guest", { exact: true }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("bob");
    const staying = bob.stay();
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
    await page.getByText(
      "Cannot send or receive files: this page has no program",
    )
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
    bob.close();
    await staying;
  });
}

pageTest(
  "a user who is banned is told the reason, and again at the next try",
  async (server, url) => {
    await using alice = await Person.enter(browser(), url, "alice");
    const { page } = alice;
    const reason = "Cannot use this server: " +
      'the name "alice" is banned for 10 minutes (spam). ' +
      "If you did not expect that, ask the operator.";

    await server.console.run("ban alice 10m spam");
    await page.locator("#banner-text").getByText(reason, { exact: true })
      .waitFor();
    await alice.click("Back to the start");
    await page.getByRole("button", { name: "Join", exact: true }).click();

    await page.locator("#entrance").getByText(reason, { exact: true })
      .waitFor();
  },
);

pageTest(
  "a name that is in use is told with what to do",
  async (server, url) => {
    using bob = await RawClient.enter(server.port, "bob");
    const staying = bob.stay();
    await using alice = await Person.open(browser(), url);
    const { page } = alice;
    await page.getByRole("textbox", { name: "Name" }).fill("bob");
    await alice.click("Join");

    await page.getByText(
      'Cannot use the name "bob": this name (or a similar one) is in use. ' +
        "Choose another name.",
      { exact: true },
    ).waitFor();
    await page.getByRole("button", { name: "Join as bob2" }).waitFor();
    bob.close();
    await staying;
  },
);

pageTest(
  "a private message to no user is refused with what to do",
  async (_, url) => {
    await using alice = await Person.enter(browser(), url, "alice");

    await alice.say("@nobody: hello");

    await alice.page.locator(".refused")
      .getByText(/^Not sent\. .*\. \/who all shows who is connected\./)
      .waitFor();
  },
);

pageTest(
  "a user whose account is locked is told so before the password is asked for",
  async (server, url) => {
    (await signedUp(server.port, "alice")).close();
    for (const _attempt of [1, 2, 3]) {
      using _wrong = await logIn(server.port, "alice", { password: "wrong" });
    }
    await using alice = await Person.open(browser(), url);
    const { page } = alice;
    await page.getByRole("textbox", { name: "Name" }).fill("alice");
    await alice.click("Join");

    await page.getByText(/3 wrong passwords in a row; try again/).waitFor();

    assertEquals(await page.locator("#password").isVisible(), false);
    await alice.click("Join as alice2");
    await page.getByRole("heading", { name: "#default" }).waitFor();
  },
);

pageTest(
  "a user whose name is held by a connection that may be dead is told so",
  async (server, url) => {
    using _dead = await RawClient.enter(server.port, "alice");
    const [session] = server.context.sessions;
    const { connection } = session!; // that of the dead client
    const idleSince = connection.idleSince - 10_000;
    // The server may still note when it has served that client.
    Object.defineProperty(connection, "idleSince", {
      get: () => idleSince,
      set: () => {},
    });
    await using alice = await Person.open(browser(), url);
    const { page } = alice;
    await page.getByRole("textbox", { name: "Name" }).fill("alice");
    await alice.click("Join");

    await page.getByText(/does not answer; it is free in 1?\d seconds/).first()
      .waitFor();
  },
);

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
    await using person = await Person.enter(browser(), url, name, { viewport });
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
  await using alice = await Person.open(browser(), url);
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
    await using alice = await Person.enter(browser(), url, "alice");
    await alice.sees("old news");

    await bob.say("#default", "fresh news");
    await alice.sees("fresh news");

    const announcer = alice.page.locator("[aria-live=polite]");
    await announcer.getByText("fresh news").waitFor();
    assertEquals(await announcer.allInnerTexts(), ["bob: fresh news"]);
  },
);

pageTest(
  "what was not seen is counted, and what is for us stands out",
  async (server, url) => {
    using bob = await RawClient.enter(server.port, "bob", "#default", "#lab");
    await using alice = await Person.enter(browser(), url, "alice");
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
    await alice.until("document.title === 'Parley'");
  },
);

pageTest(
  "an account is made, left, and come back to with its password",
  async (_, url) => {
    await using alice = await Person.enter(browser(), url, "alice");
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

    await page.locator("#standing").getByText("account").waitFor();

    await alice.click("Disconnect");
    await page.getByLabel("Name", { exact: true }).fill("bob");
    await page.getByLabel("Sign in").check();
    await password.fill("correct horse");
    await alice.click("Join");
    await error.getByText(
      "bob has no account. Choose Sign up to create it, or Guest to join without one.",
    ).waitFor();
  },
);

pageTest(
  "a password that is easily guessed makes no account, and its user is told why",
  async (server, url) => {
    await using alice = await Person.open(browser(), url);
    const { page } = alice;
    const loaded: string[] = [];
    page.on("request", (one) => loaded.push(new URL(one.url()).pathname));
    const error = page.locator("#entrance-error");
    const type = async (password: string, repeated = password) => {
      await page.locator("#password").fill(password);
      await page.locator("#repeat").fill(repeated);
      await alice.click("Join");
    };
    await page.getByLabel("Name", { exact: true }).fill("alice");
    await page.getByLabel("Sign up").check();
    assertEquals(loaded.filter((path) => path.includes("password")), []);

    await type("secret");
    await error.getByText(
      "Cannot use the password: it has 6 characters, and needs at least 8. " +
        "Choose another, such as three words",
    ).waitFor();
    const focused = await page.evaluate("document.activeElement.id");
    await type("Password1");
    await error.getByText("many people use it").waitFor();
    await type("correct horse", "correct house");
    await error.getByText("The two passwords are different").waitFor();
    assertEquals((await server.context.accounts.load()).all(), []);
    await type("correct horse");
    await page.locator("#standing").getByText("account").waitFor();

    assertEquals(focused, "password");
    assertEquals((await server.context.accounts.load()).all().length, 1);
    assertEquals(loaded.filter((path) => path.includes("password")), [
      "/core/new_password.ts",
      "/core/common_passwords.ts",
    ]);
    await alice.click("Disconnect");
    await page.locator("#entrance").waitFor();
    assertEquals(await page.getByLabel("Sign in").isChecked(), true);
  },
);

pageTest(
  "a guest who creates an account is told what is wrong with the password",
  async (server, url) => {
    await using alice = await Person.enter(browser(), url, "alice");
    const { page } = alice;
    await alice.click("Create an account");
    for (const id of ["#own-password", "#own-repeat"]) {
      await page.locator(id).fill("alicealice");
    }
    await alice.click("Create account");

    await page.locator("#own-error").getByText("it is only your name")
      .waitFor();
    assertEquals((await server.context.accounts.load()).all(), []);
  },
);

for (const path of ["/core/new_password.ts", "/core/common_passwords.ts"]) {
  pageTest(
    `a user who signs up while ${path} does not come is told the next step`,
    async (server, url) => {
      await using alice = await Person.open(browser(), url);
      const { page } = alice;
      const told =
        "Cannot check the password: the server did not send the list. Reload the page.";
      await page.route(`**${path}`, (route) => route.abort());
      await page.getByLabel("Name", { exact: true }).fill("alice");
      await page.getByLabel("Sign up").check();
      await page.locator("#password").fill("correct horse");
      await page.locator("#repeat").fill("correct horse");

      await alice.click("Join");

      await page.locator("#entrance-error").getByText(told).waitFor();
      assertEquals((await server.context.accounts.load()).all(), []);

      await page.getByLabel("Guest").check();
      await alice.click("Join");
      await page.getByRole("heading", { name: "#default" }).waitFor();
      await alice.click("Create an account");
      for (const id of ["#own-password", "#own-repeat"]) {
        await page.locator(id).fill("correct horse");
      }
      await alice.click("Create account");
      await page.locator("#own-error").getByText(told).waitFor();
    },
  );
}
