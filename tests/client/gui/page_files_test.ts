/**
 * Files that are offered and on their way, on the page: what a person sees and
 * does, and what the page passes on between the server and the program.
 */
import { assertEquals, assertLess, assertMatch } from "@std/assert";
import type { Browser } from "playwright-core";
import type { Headers } from "../../../protocol.ts";
import {
  hasChromium,
  launchBrowser,
  pageTest,
  type Person,
  SCREENS,
  violations,
} from "../../tools/browser.ts";
import { offer, type Place, withProgram } from "../../tools/page_program.ts";
import { RawClient } from "../../tools/net/raw_client.ts";

let browser: Browser;
Deno.test.beforeAll(async () => {
  if (hasChromium) browser = await launchBrowser();
});
Deno.test.afterAll(async () => await browser?.close());

/** A test on a page of --gui. */
function filesTest(
  name: string,
  test: (place: Place) => Promise<void>,
): void {
  pageTest(name, () => withProgram(browser, test));
}

filesTest(
  "what is offered can be accepted, and cancelled later",
  async ({ program, alice }) => {
    const { page } = alice;
    const files = page.getByRole("region", { name: "Files" });
    program.tell(offer());

    await alice.click("Accept photo.jpg from bob");
    const accepted = await program.next("accept");
    const text = "1.0 of 3.4 MB";
    program.tell(offer({ state: "moving", text, part: 0.3 }));
    const progress = files.getByRole("progressbar", {
      name: "photo.jpg from bob",
    });
    await progress.waitFor();
    const shown = await files.innerText();
    const part = await progress.getAttribute("value");
    await alice.click("Cancel photo.jpg from bob");
    const ended = await program.next("end");
    program.tell({ type: "over", transfer: 1 });
    await files.waitFor({ state: "hidden" });

    assertEquals([accepted.transfer, ended.transfer], [1, 1]);
    assertMatch(shown, /^photo\.jpg\s+from bob\s+1\.0 of 3\.4 MB\s+Cancel$/);
    assertEquals(part, "0.3");
  },
);

filesTest(
  "what is offered can be declined, and is said aloud once",
  async ({ program, alice }) => {
    program.tell(offer());
    program.tell(offer({ text: "3.4 MB, and room for it" }));
    await alice.page.getByText("and room for it").waitFor();

    await alice.click("Decline photo.jpg from bob");

    assertEquals((await program.next("end")).transfer, 1);
    assertEquals(
      await alice.page.locator("[aria-live=polite] p").allInnerTexts(),
      ["bob offers photo.jpg: 3.4 MB"],
    );
  },
);

filesTest(
  "who looks elsewhere is notified of what is offered, and told",
  async ({ program, alice }) => {
    await alice.page.evaluate(`{
      globalThis.notified = [];
      globalThis.Notification = class {
        static permission = "granted";
        constructor(title, { body }) {
          notified.push(title + ": " + body);
        }
      };
      document.hasFocus = () => false;
      dispatchEvent(new Event("blur"));
    }`);

    const told = {
      type: "told",
      peer: "bob",
      failed: false,
      news: true,
    } as const;
    program.tell(offer(), { ...told, text: "photo.jpg was taken back" });
    await alice.page.getByRole("button", { name: /^bob.*1/ }).waitFor();

    assertEquals(await alice.page.evaluate("notified"), [
      "Files from bob: photo.jpg: 3.4 MB",
      "Files with bob: photo.jpg was taken back",
    ]);
    assertEquals(await alice.page.title(), "(1) Parley");
  },
);

filesTest(
  "the keyboard stays among the files when one of them goes",
  async ({ program, alice }) => {
    const { page } = alice;
    const focused = () =>
      page.evaluate(`(document.activeElement.id ||
        document.activeElement.className)`);
    program.tell(offer(), offer({ transfer: 2, sends: true, title: "two" }));
    const accept = page.getByRole("button", { name: "Accept photo.jpg" });
    await accept.press("Enter");
    program.tell(offer({ state: "waiting" }));
    await accept.waitFor({ state: "hidden" });
    const afterAccept = await focused();
    await page.getByRole("button", { name: "Cancel photo.jpg" }).press("Enter");
    program.tell({ type: "over", transfer: 1 });
    await page.locator(".transfer").nth(1).waitFor({ state: "detached" });
    const afterOne = await focused();
    await page.getByRole("button", { name: "Decline two" }).press("Enter");
    program.tell({ type: "over", transfer: 2 });
    await page.locator("#files").waitFor({ state: "hidden" });

    assertEquals(afterAccept, "transfer");
    assertEquals(afterOne, "transfer offered");
    assertEquals(await focused(), "text");
  },
);

/** Each would run, or turn around what follows, if it were more than text. */
const HOSTILE = '<img src=x onerror=globalThis.pwned=1>\u202etxt.exe\u2066\n"';
const CLEANED =
  '<img src=x onerror=globalThis.pwned=1><U+202E>txt.exe<U+2066>␤"';

filesTest("the name of a file is text, whatever it is", async (place) => {
  const { program, alice } = place;
  const words = { title: HOSTILE, peer: HOSTILE, text: HOSTILE };
  program.tell(offer(words));
  program.tell(offer({ ...words, transfer: 2, sends: true, state: "moving" }));
  program.tell({
    type: "told",
    peer: "bob",
    text: HOSTILE,
    failed: true,
    news: true,
  });
  await alice.page.locator(".toast").waitFor();

  const peer = CLEANED.replaceAll(" ", "<U+0020>").replace("␤", "␊"); // a name
  const name = `Accept ${CLEANED} from ${peer}`;
  await alice.page.getByRole("button", { name, exact: true }).waitFor();
  assertEquals(await alice.page.locator(".toast span").innerText(), CLEANED);
  const found = await alice.page.evaluate(`[
    "pwned" in globalThis,
    document.querySelectorAll("#files img, #toasts img, #announcer img").length,
    /[\\u202e\\u2066]/.test(document.documentElement.outerHTML),
  ]`);
  assertEquals(found, [false, 0, false]);
});

filesTest(
  "what is told of files stands in the conversation, and is counted",
  async ({ program, alice }) => {
    const { page } = alice;
    const [good, bad] = ["photo.jpg is in Downloads", "Cannot take notes.pdf"];

    program.tell(
      { type: "told", peer: "bob", text: good, failed: false, news: true },
      { type: "told", peer: "bob", text: bad, failed: true, news: true },
    );
    await page.getByRole("alert").getByText(bad).waitFor();
    const toasts = await page.locator(".toast span").allInnerTexts();
    await page.locator("#private").getByRole("button", { name: /bob.*2/ })
      .click();
    await alice.sees(good);
    const kinds = await page.locator("#messages > :not(.day)").evaluateAll(
      (all) => all.map((one) => `${one.className}: ${one.textContent}`),
    );
    program.tell({
      type: "told",
      peer: "bob",
      text: "more",
      failed: true,
      news: true,
    });
    await alice.sees("more");

    assertEquals(toasts, [good, bad]);
    assertEquals(kinds, [`event: ${good}`, `fault: ${bad}`]);
    assertEquals(await page.locator(".toast").count(), 2);
    assertEquals(
      await page.locator("[aria-live=polite] p").allInnerTexts(),
      ["more"],
    );
  },
);

const SESSION = "0123456789abcdef".repeat(2);
const CALL = `Session: ${SESSION}\nAddress: 192.168.1.5:40001\n` +
  `Commit: ${"0123456789abcdef".repeat(4)}\n`;
const FILES = "Purpose: file\nName: notes.pdf\nSize: 5\n";

filesTest(
  "calls for files go to the program, and calls for a chat are declined",
  async ({ server, program, alice }) => {
    using bob = await RawClient.enter(server.port, "bob");

    await bob.ask(`CALL alice\n${CALL}${FILES}\n`);
    const call = await program.next("frame");
    const key = `Key: ${"0123456789abcdef".repeat(4)}\n`;
    await bob.ask(
      `ACCEPT alice\nSession: ${SESSION}\nAddress: 192.168.1.5:4001\n${key}\n`,
    );
    const accept = await program.next("frame");
    await bob.ask(`DECLINE alice\nSession: ${SESSION}\nReason: no\n\n`);
    const decline = await program.next("frame");
    await bob.ask(`CALL alice\n${CALL}Purpose: chat\n\n`);
    const declined = await bob.frame();

    assertEquals([call.verb, call.args], ["CALL", ["bob"]]);
    const headers = Object.fromEntries(call.headers);
    assertEquals(headers["session"], SESSION);
    assertEquals(headers["name"], "notes.pdf");
    assertEquals([accept.verb, accept.args], ["ACCEPT", ["bob"]]);
    assertEquals(decline.verb, "DECLINE");
    assertMatch(declined, /Reason: this user's page takes no direct/);
    await alice.page.getByRole("alert").getByText("bob called you").waitFor();
  },
);

filesTest(
  "the program asks the server, and is told what it answers",
  async ({ server, program }) => {
    using bob = await RawClient.enter(server.port, "bob");
    const headers = {
      Session: SESSION,
      Address: ["192.168.1.5:40001", "[2001:db8::1]:40001"],
      Commit: "0123456789abcdef".repeat(4),
      Purpose: "file",
      Name: "notes.pdf",
      Size: 5,
    };
    const [verb, none] = ["CALL", []] as const;

    program.tell({ type: "request", request: 1, verb, args: ["bob"], headers });
    const called = await program.next("answer");
    const call = await bob.frame();
    program.tell({ type: "request", request: 2, verb, args: none, headers });
    const refused = await program.next("answer");
    const session = { Session: SESSION };
    for (const [index, verb] of (["ACCEPT", "DECLINE"] as const).entries()) {
      const headers = { ...session, Address: "10.0.0.1:5000", Key: "0" };
      const request = 3 + index;
      program.tell({ type: "request", request, verb, args: ["bob"], headers });
    }
    const malformed = await program.next("answer");
    const declined = await program.next("answer");

    assertEquals(called, { type: "answer", request: 1 });
    assertMatch(call, /^CALL alice\n/);
    assertMatch(call, /Address: \[2001:db8::1\]:40001\n/);
    assertEquals([refused.request, refused.code], [2, 105]);
    assertEquals(malformed.code, 105);
    assertMatch(malformed.reason ?? "", /Key/);
    assertEquals(declined, { type: "answer", request: 4 });
    assertMatch(await bob.frame(), /^DECLINE alice\n/);
  },
);

/** How a person goes. */
const WAYS: Readonly<Record<string, (alice: Person) => Promise<unknown>>> = {
  disconnects: (alice) => alice.click("Disconnect"),
  "goes to another page": ({ page }) => page.goto("about:blank"),
};

for (const [goes, go] of Object.entries(WAYS)) {
  filesTest(
    `who ${goes} leaves no call ringing, here or there`,
    async ({ server, program, alice }) => {
      using bob = await RawClient.enter(server.port, "bob");
      using carol = await RawClient.enter(server.port, "carol");
      const ask = async (verb: "CALL" | "ACCEPT", more: Headers) => {
        const headers = { Session: SESSION, Address: "10.0.0.1:5000", ...more };
        const args = ["carol"];
        program.tell({ type: "request", request: 1, verb, args, headers });
        await program.next("answer");
      };
      const digits = "0123456789abcdef".repeat(4);
      const offer = { Commit: digits, Purpose: "file", Name: "a", Size: 1 };

      await carol.ask(`CALL alice\n${CALL}${FILES}\n`);
      await program.next("frame");
      await ask("ACCEPT", { Key: digits });
      await bob.ask(`CALL alice\n${CALL}${FILES}\n`);
      await program.next("frame");
      await ask("CALL", { ...offer, Session: "0".repeat(32) });
      await go(alice);

      assertMatch(await bob.next("DECLINE"), /Reason: left\n/);
      const heard = [await carol.frame(), await carol.frame()];
      heard.push(await carol.frame());
      const verbs = heard.map((frame) => frame.split(" ")[0]);
      assertEquals(verbs, ["ACCEPT", "CALL", "DECLINE"]);
      assertMatch(heard[2]!, /Session: 0{32}\n/);
    },
  );
}

filesTest(
  "many long names come and go whole",
  async ({ program, alice }) => {
    const title = "é".repeat(300);
    program.tell(offer({ title }), offer({ transfer: 2, title: "two" }));
    await alice.page.getByRole("button", { name: "Accept two" }).waitFor();
    await alice.page.locator("#people button").first().waitFor();

    // Names of more than 64 KiB, dropped on a user who is not us.
    await alice.say("@bob: hello");
    await alice.page.getByRole("heading", { name: "bob" }).waitFor();
    await alice.page.locator("#scroller").evaluate((target) => {
      const dataTransfer = new DataTransfer();
      for (let at = 0; at < 2_000; at++) {
        dataTransfer.items.add(new File(["x"], `${at}-${"é".repeat(50)}.txt`));
      }
      const options = { dataTransfer, bubbles: true, cancelable: true };
      target.dispatchEvent(new DragEvent("drop", options));
    });
    const { files } = await program.next("send");

    assertEquals(files.length, 2_000);
    assertEquals(files[1_999]?.path, `1999-${"é".repeat(50)}.txt`);
    const shown = await alice.page.locator(".transfer .name").first()
      .innerText();
    assertEquals(shown, title);
  },
);

filesTest(
  "when the program ends its files are gone, and calls are declined again",
  async ({ server, program, alice }) => {
    using bob = await RawClient.enter(server.port, "bob");
    program.tell(offer());
    await alice.page.locator("#files").waitFor();

    await program.end();
    await alice.page.getByRole("alert")
      .getByText("The program that carries files has ended. Start it again")
      .waitFor();
    await alice.page.locator("#files").waitFor({ state: "hidden" });
    await bob.ask(`CALL alice\n${CALL}${FILES}\n`);
    const declined = await bob.frame();
    await bob.ask(
      `ACCEPT alice\nSession: ${SESSION}\nAddress: 192.168.1.5:4001\n` +
        `Key: ${"0123456789abcdef".repeat(4)}\n\n`,
    );

    assertMatch(declined, /Reason: this user's page takes no files\n/);
    assertMatch(await bob.frame(), /Reason: there is no such call\n/);
  },
);

filesTest(
  "who disconnects takes the files along, without a word",
  async ({ program, alice }) => {
    program.tell(offer());
    await alice.page.locator("#files").waitFor();

    await alice.click("Disconnect");
    await alice.page.getByRole("button", { name: "Join" }).waitFor();
    await program.ended;
    await alice.comeIn("alice");

    assertEquals(await alice.page.locator("#files").isVisible(), false);
    assertEquals(await alice.page.locator(".toast").count(), 0);
  },
);

filesTest(
  "the page asks before it is left while files are on their way",
  async ({ program, alice }) => {
    const { page } = alice;
    const asks = () =>
      page.evaluate(`!dispatchEvent(new Event("beforeunload", {
        cancelable: true,
      }))`);
    const before = await asks();
    program.tell(offer({ state: "moving" }));
    await page.locator("#files").waitFor();
    const during = await asks();
    program.tell({ type: "over", transfer: 1 });
    await page.locator("#files").waitFor({ state: "hidden" });

    assertEquals([before, during, await asks()], [false, true, false]);
  },
);

for (const [screen, options] of SCREENS) {
  pageTest(
    `axe finds nothing wrong with files on ${screen}`,
    () =>
      withProgram(browser, async ({ program, alice }) => {
        const { page } = alice;
        const check = async (state: string) =>
          assertEquals(await violations(alice), [], state);
        const states = ["waiting", "moving", "paused"] as const;
        program.tell(offer());
        await page.locator("#files").waitFor();
        await check("an offer");

        await alice.say("@bob: hello");
        await page.getByRole("heading", { name: "bob" }).waitFor();
        await check("a private conversation");
        for (let number = 2; number < 12; number++) {
          const title = `${number} `.repeat(number ** 2);
          const state = states[number % 3]!;
          const more = { transfer: number, title, state, part: number / 12 };
          program.tell(offer({ ...more, sends: number % 2 > 0 }));
        }
        await page.locator(".transfer").nth(10).waitFor();
        await check("many of them");
        const composer = await page.locator("#composer").boundingBox();
        const { height, width } = options.viewport!;
        assertLess(composer!.y + composer!.height, height + 1);
        const html = page.locator("html");
        assertEquals(await html.evaluate((one) => one.scrollWidth), width);
      }, options),
  );
}
