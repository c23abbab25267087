/** The messages of the page: their days, their copies, and their place. */
import { assertEquals } from "@std/assert";
import { pageFiles } from "../../client/gui/page_session.ts";
import { serveLocally } from "../../client/gui/local.ts";
import { pageTest, Person } from "../tools/browser.ts";
import { type FakePeer, FakeServer } from "../tools/client_tools.ts";
import { fileBrowser } from "./scene.ts";

const browser = fileBrowser();

/** A page of alice, in #default of a server that the test plays. */
async function openPage(
  server: FakeServer,
  { now, history }: { now: string; history: string },
) {
  const local = serveLocally({
    settings: { name: "alice", server: "127.0.0.1", port: server.port },
    dial: ({ host, port }) =>
      Deno.connect({ hostname: host, port: Number(port) }),
    files: pageFiles({}),
  });
  const alice = await Person.open(browser(), local.address, {
    prepare: (page) => page.clock.setFixedTime(now),
    timezoneId: "UTC",
  });
  await alice.click("Join");
  const peer = await server.accept();
  const serving = serve(peer, history);
  return {
    alice,
    peer,
    async [Symbol.asyncDispose]() {
      assertEquals(alice.complaints, []);
      await alice.page.context().close();
      await serving;
      peer.hangUp();
      await local[Symbol.asyncDispose]();
    },
  };
}

/** Answers until the page is gone; `history` is that of the room. */
async function serve(peer: FakePeer, history: string): Promise<void> {
  let id = 100;
  for (;;) {
    const [request = ""] = (await peer.request()).split("\n");
    const [verb, target = ""] = request.split(" ");
    if (verb === "(end)") return;
    if (verb === "REGISTER") await peer.say("REGISTERED alice\nLast-id: 0\n\n");
    if (verb === "JOIN") await peer.say(`JOINED ${target}\nLast-id: 99\n\n`);
    if (verb === "PING") await peer.say("PONG\n\n");
    if (verb === "ROOMS") await peer.say("ROOMS\nCount: 0\n\n");
    if (verb === "WHO") await peer.say(`WHO ${target}\nCount: 0\n\n`);
    if (verb === "HISTORY") {
      await peer.say(`${history}HISTORY ${target}\nCount: 9\n\n`);
    }
    if (verb === "SEND") {
      id += 1;
      await peer.say(`SENT ${target}\nId: ${id}\nTime: ${TODAY}T10:02:00Z\n\n`);
    }
  }
}

/** A message of bob in #default. */
function forward(id: number, time: string, text: string): string {
  const { length } = new TextEncoder().encode(text);
  return `FORWARD bob\nTo: #default\nId: ${id}\nTime: ${time}\n` +
    `Content-length: ${length}\n\n${text}`;
}

/** A user who joined or went offline. */
function notice(kind: string, time: string): string {
  return `NOTICE ${kind}\nRoom: #default\nUser: carol\nTime: ${time}\n\n`;
}

const TODAY = "2026-11-30";

pageTest(
  "a copy of messages has a line for each, and the tabs that were sent",
  async () => {
    using server = new FakeServer();
    await using place = await openPage(server, {
      now: `${TODAY}T10:05:00Z`,
      history:
        forward(1, `${TODAY}T10:00:00Z`, "all:\n\tcc -o a a.c\n\t\techo") +
        forward(2, `${TODAY}T10:01:00Z`, "second  with\ttab") +
        forward(3, `${TODAY}T10:01:30Z`, "see https://a.example/(b)."),
    });
    const { alice, alice: { page } } = place;
    await alice.sees("second  with\ttab");
    await alice.say("a\n\tb");
    await alice.allSent();

    const copy = [
      "Monday 30 November",
      "bob 10:00: all:",
      "\tcc -o a a.c",
      "\t\techo",
      "bob 10:01: second  with\ttab",
      "bob 10:01: see https://a.example/(b).",
      "alice 10:02: a",
      "\tb",
    ].join("\n");
    const selected = await page.evaluate(`
      document.activeElement.blur(),
      getSelection().selectAllChildren(document.getElementById("messages")),
      getSelection().toString()`);
    await page.keyboard.press("Control+C");
    const field = page.getByRole("textbox", { name: "Message", exact: true });
    await field.focus();
    await page.keyboard.press("Control+V");

    assertEquals(selected, copy);
    assertEquals(await field.inputValue(), copy);
  },
);

pageTest(
  "each day has a heading where it begins, by the server's clock, and a year if it is another",
  async () => {
    using server = new FakeServer();
    await using place = await openPage(server, {
      now: "2026-12-01T12:00:00Z", // 26 hours ahead
      history: forward(1, "2025-11-30T09:00:00Z", "a year ago") +
        forward(2, `${TODAY}T09:00:00Z`, "first"),
    });
    const { alice, peer } = place;
    await alice.sees("first");

    await peer.say(
      notice("joined", `${TODAY}T09:30:00Z`) +
        notice("offline", `${TODAY}T09:31:00Z`) +
        forward(112, `${TODAY}T10:00:00Z`, "second"),
    );
    await alice.sees("second");
    await alice.say("/help msg");
    await alice.page.locator("#messages > .answer").waitFor();
    await peer.say(
      notice("joined", "2026-12-01T00:00:01Z") +
        forward(113, "2026-12-01T00:01:00Z", "third"),
    );
    await alice.sees("third");

    const rows = await alice.page.locator(
      "#messages > :is(.day, .event, .message, .answer)",
    ).evaluateAll((all) =>
      all.map((one) =>
        one.querySelector(".text")?.textContent ??
          (one.matches(".answer") ? "(answer)" : one.textContent)
      )
    );
    assertEquals(rows, [
      "Sunday, 30 November 2025",
      "a year ago",
      "Monday 30 November",
      "first",
      "carol joined · carol went offline",
      "second",
      "(answer)",
      "Tuesday 1 December",
      "carol joined",
      "third",
    ]);
  },
);

pageTest(
  "a user who reads above is at the same place after another conversation, and at the end if that was it",
  async () => {
    using server = new FakeServer();
    const history = Array.from(
      { length: 60 },
      (_, at) =>
        forward(at + 1, `${TODAY}T10:00:00Z`, `number ${at + 1}\nof sixty`),
    );
    await using place = await openPage(server, {
      now: `${TODAY}T10:05:00Z`,
      history: history.join(""),
    });
    const { alice, alice: { page }, peer } = place;
    await alice.sees("number 60\nof sixty");
    const switchTo = async (name: RegExp, title: string) => {
      await page.locator("#sidebar").getByRole("button", { name }).click();
      await page.getByRole("heading", { name: title }).waitFor();
    };
    const there = async () => {
      await switchTo(/^All users/, "All users");
      id += 2;
      const carol = `carol${id}`; // after the news, so the page has that
      await peer.say(
        forward(id, `${TODAY}T10:03:00Z`, `news ${id}`) +
          forward(id + 1, `${TODAY}T10:03:00Z`, "hi")
            .replace("bob", carol).replace("#default", "alice"),
      );
      await page.locator("#private").getByText(carol).waitFor();
    };
    /** The first message in sight, and whether the end is in sight. */
    const inSight = () =>
      page.evaluate(`(() => {
        const scroller = document.getElementById("scroller");
        const { top, left } = scroller.getBoundingClientRect();
        const first = [...document.querySelectorAll("#messages > .message")]
          .find((one) => one.getBoundingClientRect().bottom > top);
        const { scrollHeight, scrollTop, clientHeight } = scroller;
        return {
          text: first.querySelector(".text").textContent,
          at: Math.round(first.getBoundingClientRect().top - top),
          isEnd: scrollHeight - scrollTop - clientHeight < 2,
        };
      })()`) as Promise<{ text: string; at: number; isEnd: boolean }>;
    let id = 100;

    await switchTo(/^All users/, "All users");
    await switchTo(/default/, "#default");
    const first = await inSight();
    await page.locator("#messages").hover();
    await page.evaluate(`void (globalThis.scrolled = new Promise((done) =>
      document.getElementById("scroller").onscrollend = done))`);
    await page.mouse.wheel(0, -700);
    await page.evaluate("scrolled");
    await page.locator("#to-end").waitFor();
    const before = await inSight();
    await there();
    await switchTo(/default/, "#default");
    const after = await inSight();
    await there();
    await switchTo(/default/, "#default");
    const again = await inSight();

    assertEquals(first.isEnd, true);
    assertEquals(before.isEnd, false);
    assertEquals(after, before);
    assertEquals(again, before);
  },
);

pageTest(
  "long messages show their beginning, and all of it when the user asks for it",
  async () => {
    await using server = new FakeServer();
    const lines = Array.from({ length: 150 }, (_, i) => `line ${i + 1}`);
    const emoji = "\u{1f600}".repeat(3_000);
    const long: readonly [text: string, shown: string][] = [
      [lines.join("\n"), `${lines.slice(0, 100).join("\n")} …`],
      ["\n".repeat(65_000), `${"\n".repeat(99)} …`],
      [`x${emoji}`, `x${emoji.slice(0, 4_998)} …`],
      ["\u202e".repeat(20_000), `${"<U+202E>".repeat(625)} …`],
      ["alice ".repeat(10_900), `${"alice ".repeat(834).slice(0, 5_000)} …`],
    ];
    const short = [lines.slice(0, 100).join("\n"), "x".repeat(5_000)];
    const texts = [...long.map(([text]) => text), ...short];
    await using place = await openPage(server, {
      now: `${TODAY}T10:05:00Z`,
      history: texts.map((text, i) =>
        forward(i + 1, `${TODAY}T10:00:00Z`, text)
      ).join(""),
    });
    const { alice, alice: { page } } = place;
    await alice.sees("x".repeat(5_000));
    const shown = async () =>
      (await alice.messages()).map((one) => one.replace("bob: ", ""));
    const all = page.getByRole("button", { name: "Show all", exact: true });

    assertEquals(await shown(), [...long.map(([, shown]) => shown), ...short]);
    assertEquals(await all.count(), long.length);
    assertEquals(await page.locator("#messages mark").count(), 100);
    const skipped = await page.evaluate(
      `[...document.querySelectorAll("#messages > .message")].map((row) =>
        getComputedStyle(row).contentVisibility === "auto")`,
    );
    // Of more than 1,000 characters: laid out only in sight.
    assertEquals(skipped, texts.map((text) => text.length > 1_000));

    const last = page.locator("#messages > .message").nth(4);
    await last.getByRole("button").click();

    assertEquals((await shown())[4], texts[4]);
    assertEquals(await last.locator("mark").count(), 100);
    assertEquals(await all.count(), long.length - 1);
    const { top, height } = await page.evaluate(`(() => {
      const { scrollTop, scrollHeight } = document.getElementById("scroller");
      return { top: scrollTop, height: scrollHeight };
    })()`) as { top: number; height: number };
    assertEquals(top < height / 2, true, "what is read stays in sight");
  },
);
