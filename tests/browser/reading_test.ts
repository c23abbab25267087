/** The user sees all that comes to a page: nothing is hidden, nothing misleads. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { launchBrowser, pageTest, Person } from "../tools/browser.ts";
import { quietServer, terminal } from "../tools/client_tools.ts";
import { writeFiles } from "../tools/file_tools.ts";
import { within } from "../tools/net/within.ts";
import { servePage } from "../tools/page_player.ts";
import { tempFolder } from "../tools/temp.ts";
import { breakOff, choose, reconnect, scenes, typeKeys } from "./scene.ts";

const sceneTest = scenes();

sceneTest(
  "old messages are reachable on a server that sends none on joining",
  async ({ enter, raw }) => {
    using bob = await raw("bob", "#default");
    for (const text of ["one", "two"]) await bob.say("#default", text);
    await bob.next("SENT");
    await bob.next("SENT");
    const alice = await enter("alice");
    const before = await alice.messages();
    await alice.click("Show older messages");
    await alice.sees("two");
    await alice.page.locator("#earlier").waitFor({ state: "hidden" });

    assertEquals(before, []);
    assertEquals(await alice.messages(), ["bob: one", "bob: two"]);
  },
  { history: 0 },
);

sceneTest(
  "a room with 250 unread messages opens at the first of them",
  async ({ enter, raw }) => {
    using bob = await raw("bob", "#default");
    const alice = await enter("alice");
    const { page } = alice;
    await bob.say("#default", "was read");
    await alice.sees("was read");
    await page.locator("#room").fill("lab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "#lab" }).waitFor();
    for (let number = 1; number <= 250; number++) {
      await bob.say("#default", `number ${number}`);
    }
    await page.locator("#rooms").getByText("250").waitFor();
    await choose(alice, "#rooms", /^#default/);
    await page.getByText("250 new ↓").waitFor();
    const mark = await page.locator("#messages > .new").boundingBox();
    const list = await page.locator("#scroller").boundingBox();
    const rows = await page.locator("#messages > *").allInnerTexts();
    const title = await page.title();
    await page.locator("#to-end").click();
    await alice.until("document.title === 'Parley'");

    assert(mark!.y >= list!.y && mark!.y < list!.y + list!.height, "no mark");
    assertMatch(rows[rows.indexOf("New") + 1] ?? "", /number 1\b/);
    assertEquals(title, "(250) Parley");
  },
);

/** The notifications of a page: each that was shown, and those not closed. */
class Notes {
  readonly shown: string[] = [];
  readonly open = new Map<number, string>();
  #changed = Promise.withResolvers<void>();

  /** Takes the place of the browser's notifications, and of its focus. */
  async record(page: Page): Promise<void> {
    await page.exposeFunction("noted", (id: number, text?: string) => {
      if (text === undefined) this.open.delete(id);
      else {
        this.shown.push(text);
        this.open.set(id, text);
      }
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
    await page.addInitScript(`
      globalThis.Notification = class {
        static permission = "granted";
        static last = 0;
        #id = ++Notification.last;
        constructor(title, { body, renotify }) {
          noted(this.#id, title + ": " + body + (renotify ? "!" : ""));
        }
        close() { noted(this.#id); }
      };
      document.hasFocus = () => globalThis.focused ?? true;`);
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await within(this.#changed.promise, () => "a notification");
  }
}

sceneTest(
  "each message for the user alerts, tells where it is from, and is closed by reading",
  async ({ enter, raw }) => {
    using bob = await raw("bob", "#default");
    const notes = new Notes();
    const { shown, open } = notes;
    const alice = await enter("alice", { prepare: (one) => notes.record(one) });
    const attend = (focused: boolean) =>
      alice.page.evaluate(`focused = ${focused};
        dispatchEvent(new Event("${focused ? "focus" : "blur"}"))`);
    await attend(false);
    await bob.say("#default", "alice: one");
    await notes.until(() => shown.length === 1);
    await bob.say("#default", "alice: two");
    await notes.until(() => shown.length === 2 && open.size === 1);
    await bob.say("alice", "secret");
    await notes.until(() => shown.length === 3);
    const left = [...open.values()];
    await attend(true);
    await notes.until(() => open.size === 1);
    await choose(alice, "#private", /bob/);
    await notes.until(() => open.size === 0);

    assertEquals(shown, [
      "bob in #default: alice: one!",
      "bob in #default: alice: two!",
      "bob (private): secret!",
    ]);
    assertEquals(left, shown.slice(1));
  },
);

sceneTest(
  "a reader of screens hears how much was missed, and not all of it",
  async (scene) => {
    using bob = await scene.raw("bob", "#default");
    const alice = await scene.enter("alice");
    await breakOff(scene, alice);
    for (let number = 1; number <= 300; number++) {
      await bob.say("#default", `number ${number}`);
    }
    for (let number = 1; number <= 300; number++) await bob.next("SENT");
    await reconnect(scene, alice);
    await alice.sees("number 300");
    // Of each time that the page is drawn it hears a number: mostly of one.
    await alice.until(
      `[...document.querySelectorAll("[aria-live=polite] p")]
        .reduce((sum, one) => sum + (parseInt(one.textContent) || 1), 0) === 300`,
    );
    const heard = await alice.page.locator("[aria-live=polite] p")
      .allInnerTexts();

    const isNumber = /^(\d+) new messages: \1 in #default$/;
    assert(heard.some((one) => isNumber.test(one)), heard.join("\n"));
  },
);

sceneTest(
  "a private conversation shows that the other user has gone",
  async ({ enter, raw }) => {
    const alice = await enter("alice");
    const { page } = alice;
    const bob = await raw("bob", "#default");
    await bob.say("alice", "bye");
    await choose(alice, "#private", /bob/);
    await alice.sees("bye");
    bob.close();
    await page.locator("#messages").getByText("bob went offline").waitFor();
    await page.locator("#private .gone").getByText("bob", { exact: true })
      .waitFor();
    using again = await raw("bob", "#default");
    await page.locator("#messages").getByText("bob is back").waitFor();

    await page.locator("#private .gone").waitFor({ state: "detached" });
    again.close();
  },
);

sceneTest("an error stays until it is closed", async ({ enter }) => {
  const alice = await enter("alice", {
    prepare: (page) => page.clock.install(),
  });
  const { page } = alice;
  await alice.say("/join not/valid");
  const error = page.locator("#toasts").getByText("Invalid room name");
  await error.waitFor();
  await page.clock.fastForward(60_000);

  assertEquals(await error.count(), 1);
  await page.locator("#toasts").getByRole("button", { name: "Close" }).click();
  await error.waitFor({ state: "detached" });
});

sceneTest(
  "/ignore hides a user and similar names, also after a reload, until /unignore",
  async ({ enter, raw }) => {
    using eve = await raw("eVil", "#default");
    const alice = await enter("alice");
    const { page } = alice;
    await eve.say("#default", "before");
    await alice.sees("before");
    await alice.say("/ignore evi1");
    await alice.sees("Hiding evi1's messages; /unignore evi1 ends that");
    await eve.say("#default", "alice: hidden");
    await eve.say("alice", "hidden too");
    await eve.ask("LEAVE #default\n\n");
    await alice.say("mine");
    await alice.allSent();
    const hiding = await alice.messages();
    const title = await page.title();
    await page.reload();
    await alice.sees("mine");
    const reloaded = await alice.messages();
    await alice.say("/unignore evil");
    await alice.sees("alice: hidden");
    await alice.say("/unignore evil");
    await page.locator("#toasts").getByText("evil is not ignored").waitFor();

    assertEquals(hiding, ["You: mine"]);
    assertEquals(await page.getByText("eVil left").count(), 0);
    assertEquals(reloaded, ["You: mine"]);
    assertEquals(title, "Parley");
    assertEquals(await page.locator("#private li").count(), 0);
  },
);

pageTest(
  "a page that the browser brings back goes on, with --gui its files too",
  async () => {
    using from = tempFolder();
    writeFiles(from.path, { "a.txt": "hello" });
    await using server = quietServer();
    await using local = servePage();
    await using caching = new AsyncDisposableStack();
    const keeping = await launchBrowser({
      ignoreDefaultArgs: ["--disable-back-forward-cache"],
    });
    caching.defer(() => keeping.close());
    await using bob = await terminal("bob", server.port);
    await using alice = await Person.open(keeping, local.address);
    const { page } = alice;
    await page.getByRole("textbox", { name: "Server" }).fill("127.0.0.1");
    await page.getByRole("textbox", { name: "Port" }).fill(`${server.port}`);
    await alice.comeIn("alice");
    await typeKeys(alice, "begun");
    await page.evaluate("globalThis.same = true");

    await page.goto("data:text/html,elsewhere");
    await page.goBack({ waitUntil: "commit" });
    await typeKeys(alice, " and sent");
    await page.keyboard.press("Enter");
    await bob.until("alice: begun and sent");
    await choose(alice, "#people", /bob/);
    const choosing = page.waitForEvent("filechooser");
    await alice.click("Send files");
    await (await choosing).setFiles(`${from.path}/a.txt`);
    await bob.until("alice offers a.txt");

    assertEquals(await page.evaluate("globalThis.same"), true);
    assertEquals(await page.locator("#toasts").innerText(), "");
  },
);

sceneTest(
  "who writes to an account that is away is told, and its owner finds it unread",
  async ({ enter }) => {
    const alice = await enter("alice");
    const { page } = alice;
    await alice.click("Create an account");
    for (const id of ["#own-password", "#own-repeat"]) {
      await page.locator(id).fill("correct horse");
    }
    await alice.click("Create account");
    await page.locator("#standing").getByText("account").waitFor();
    await alice.click("Disconnect");
    const bob = await enter("bob");
    await bob.say("@alice: one");
    await bob.sees("alice is away and gets this later");
    await bob.say("@alice: two");
    await bob.allSent();
    const said = await bob.page.locator("#messages > .event").allInnerTexts();

    await page.getByLabel("Sign up").check();
    for (const id of ["#password", "#repeat"]) {
      await page.locator(id).fill("correct horse");
    }
    await alice.click("Join"); // the account is there already
    const error = page.locator("#entrance-error");
    await error.getByText(/alice/).waitFor();
    const isSignIn = await page.getByLabel("Sign in").isChecked();
    await page.locator("#password").fill("correct horse");
    await alice.click("Join");
    await page.getByRole("heading", { name: "#default" }).waitFor();
    await choose(alice, "#private", /bob.*2/);
    await alice.sees("two");
    const rows = await page.locator("#messages > li").allInnerTexts();

    assertEquals(said, ["alice is away and gets this later"]);
    assertEquals(isSignIn, true);
    assertMatch(rows[rows.indexOf("New") + 1] ?? "", /one/);
  },
);
