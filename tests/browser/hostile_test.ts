/** Messages of other users and of servers are text and never markup. */
import { assertEquals } from "@std/assert";
import { sanitize } from "../../core/text/sanitize.ts";
import { pageFiles } from "../../client/gui/page_session.ts";
import { serveLocally } from "../../client/gui/local.ts";
import { pageTest, Person } from "../tools/browser.ts";
import { type FakePeer, FakeServer } from "../tools/client_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { serveWebSockets, startTestServer } from "../tools/net/test_server.ts";
import { fileBrowser } from "./scene.ts";

const browser = fileBrowser();

/** Texts that would run, load, lead away or turn around if they were markup. */
const INJECTIONS: readonly string[] = [
  "<script>globalThis.pwned=1</script>",
  "<img src=x onerror=globalThis.pwned=1>",
  '"><svg onload=globalThis.pwned=1>',
  "'><iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
  "</textarea></title></style></script><script>globalThis.pwned=1</script>",
  "<style>*{display:none}</style>",
  "<base href=//evil.example>",
  '<meta http-equiv=refresh content="0;url=//evil.example">',
  "<a href=javascript:globalThis.pwned=1>x</a>",
  "<form action=//evil.example><button>x</button></form>",
  "<link rel=stylesheet href=//evil.example/x.css>",
  "javascript:globalThis.pwned=1",
  "data:text/html,<script>globalThis.pwned=1</script>",
  'https://evil.example/"onmouseover="globalThis.pwned=1',
  "https://evil.example/'><script>globalThis.pwned=1</script>",
  "${globalThis.pwned=1}{{constructor.constructor('pwned=1')()}}",
  "&lt;b&gt;&#60;script&#62;",
  "]]><!--<script>",
  "\u202etxt.exe\u202c",
  "\u2066isolated\u2069\u200f\u061c",
  "zero\u200bwidth\u2060\ufeffjoined\u00ad",
  "\u0000\u0007\u001b[31mred\u001b[0m\u009b2J",
  "line\u2028separator\u2029paragraph\u0085next",
  `z${"\u0335".repeat(500)}algo`,
  "\u{e0041}\u{e0042} tags",
];

/** Checks that nothing on the page is more than text. */
async function checkHarmless({ page, complaints }: Person): Promise<void> {
  const found = await page.evaluate(`({
    pwned: "pwned" in globalThis,
    tags: [...new Set([...document.querySelectorAll(
      "#messages *, #sidebar ul *, #people *, #toasts *, #banner *, #title *"
    )].map((one) => one.localName))].sort(),
    handlers: [...document.querySelectorAll("*")].flatMap((one) =>
      one.getAttributeNames().filter((name) => name.startsWith("on"))),
    links: [...document.links].map(({ protocol }) => protocol),
    turned: /[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200b\\u202a-\\u202e\\u2060-\\u2069\\ufeff]/
      .test(document.documentElement.innerText),
    unseen: [...document.querySelectorAll(
      "#sidebar ul, #people, #title, #messages .who, #messages .avatar"
    )].filter((one) => /[\\u200c-\\u200f\\ufe0f]/.test(one.textContent)).length,
  })`) as {
    pwned: boolean;
    tags: string[];
    handlers: string[];
    links: string[];
    turned: boolean;
    unseen: number;
  };
  assertEquals(found.pwned, false);
  assertEquals(found.tags.filter((tag) => !HARMLESS.includes(tag)), []);
  assertEquals(found.handlers, []);
  assertEquals(found.links.filter((link) => !/^https?:$/.test(link)), []);
  assertEquals(found.turned, false, "characters that are obeyed");
  assertEquals(found.unseen, 0, "names with what cannot be seen");
  assertEquals(complaints, []);
}

const HARMLESS = [
  ...["a", "bdi", "button", "div", "li", "mark", "span", "time"],
];

pageTest(
  "what people say is shown as they have typed it, and is nothing else",
  async () => {
    const server = startTestServer({ history: 100 });
    const web = serveWebSockets(server);
    try {
      using mallory = await RawClient.enter(server.port, "mallory", "#default");
      await using alice = await Person.enter(
        browser(),
        `http://127.0.0.1:${web.port}/`,
        "alice",
      );

      for (const text of INJECTIONS) await mallory.say("#default", text);
      for (const text of INJECTIONS) await mallory.say("alice", text);
      await mallory.say("#default", "the end");
      await alice.sees("the end");

      const shown = await alice.messages();
      assertEquals(
        shown.slice(0, -1),
        INJECTIONS.map((text) => `mallory: ${sanitize(text, { lines: true })}`),
      );
      await checkHarmless(alice);
      await alice.page.locator("#private").getByRole("button").click();
      await alice.page.getByRole("heading", { name: "mallory" }).waitFor();
      assertEquals((await alice.messages()).length, INJECTIONS.length);
      await checkHarmless(alice);
    } finally {
      web[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    }
  },
);

/** The same texts as words of a head: without spaces, ends of lines, controls. */
const WORDS = INJECTIONS.map((text) =>
  // deno-lint-ignore no-control-regex -- they are no head at all
  text.replaceAll(/[\x00-\x1f\x7f\u2028\u2029 ]/g, "").slice(0, 300)
);

/** Answers as a server does whose every word is an attack. */
async function attack(peer: FakePeer): Promise<void> {
  for (;;) {
    const [request = ""] = (await peer.request()).split("\n");
    const [verb, room = ""] = request.split(" ");
    if (verb === "(end)") return;
    if (verb === "JOIN") {
      await peer.say(`JOINED #default\nMembers: ${WORDS[0]}\nLast-id: 0\n\n`);
    } else if (verb === "HISTORY") {
      for (const [index, word] of WORDS.entries()) {
        await peer.say(forward(word, room, index + 1));
      }
      await peer.say(`HISTORY ${room}\nCount: ${WORDS.length}\n\n`);
      await peer.say(NEWS);
    } else if (verb === "ROOMS" || verb === "WHO") {
      const lines = WORDS.map((word) => `${word} ${word} ${word}\n`).join("");
      await peer.say(withBody(`${verb} ${room}`.trim(), lines));
    } else if (verb === "SEND") {
      await peer.say(
        `ERROR 102 ${WORDS[1]}\nReason: ${WORDS[2]}\nRetry-after: ${
          WORDS[3]
        }\n\n`,
      );
    } else if (verb !== "PING") {
      await peer.say(`REGISTERED alice\nServer: ${WORDS[0]}\nLast-id: 0\n\n`);
    } else await peer.say("PONG\n\n");
  }
}

function withBody(head: string, body: string): string {
  const { length } = new TextEncoder().encode(body);
  return `${head}\nContent-length: ${length}\n\n${body}`;
}

function forward(from: string, to: string, id: number): string {
  const head = `FORWARD ${from}\nTo: ${to}\nId: ${id}\nTime: ${from}`;
  return withBody(head, INJECTIONS.join("\n"));
}

/** Frames that no user has asked for: messages, presence, and notices. */
const NEWS =
  WORDS.map((word, index) =>
    forward(word, "alice", 100 + 2 * index) +
    forward(word, "ALL", 101 + 2 * index) +
    `NOTICE joined\nRoom: #default\nUser: ${word}\nMembers: ${word}\n\n` +
    `NOTICE offline\nRoom: #default\nUser: ${word}\nReason: ${word}\n\n` +
    withBody("NOTICE server", word)
  ).join("") + `FORWARD bob\nTo: #default\nId: 999\nContent-length: 3\n\nend`;

pageTest("a hostile server cannot say more than text either", async () => {
  using server = new FakeServer();
  await using local = serveLocally({
    settings: { name: "alice", server: "127.0.0.1", port: server.port },
    dial: ({ host, port }) =>
      Deno.connect({ hostname: host, port: Number(port) }),
    files: pageFiles({}),
  });
  await using alice = await Person.open(browser(), local.address);
  await alice.click("Join");
  using peer = await server.accept();
  const attacking = attack(peer);
  await alice.sees("end");
  await checkHarmless(alice);
  await alice.say("hello");
  await alice.page.locator(".refused").waitFor();
  await checkHarmless(alice);
  await peer.say(`ERROR 117 x\nReason: ${WORDS.join("")}\n\n`);
  await alice.page.getByRole("button", { name: "Back to the start" }).waitFor();
  await checkHarmless(alice);
  await alice.page.context().close();
  await attacking;
});
