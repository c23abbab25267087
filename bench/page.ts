/**
 * The page in a real browser: how much is loaded, how soon the form is there,
 * how soon a key is answered beside 5,000 messages; and its pictures for the
 * docs.
 *
 *     deno run -A bench/page.ts             the figures
 *     deno run -A bench/page.ts docs/page   and the pictures, into that folder
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type Browser, chromium, type Page } from "playwright-core";
import { pageFiles } from "../client/gui/page_session.ts";
import { encode } from "../protocol.ts";
import { NO_RATES } from "../server/limits/rates.ts";
import { startServer } from "../server/start.ts";
import { serveLocally } from "../client/gui/local.ts";
import { startWeb } from "../web/serve/serve.ts";

const MESSAGES = 5_000;
const RUNS = 10;

/** The users in the pictures, and their messages. */
const TALK: readonly (readonly [from: string, text: string])[] = [
  ["dora", "Good morning! The measurements of lab 3 are in."],
  ["dora", "Group 2 has lost a packet every 40 ms, like clockwork."],
  ["emil", "That is our microwave oven."],
  ["alice", "Is it on a timer?"],
  ["emil", "No, on Felix. He is hungry."],
  ["felix", "alice: do you have the sheet about TCP windows?"],
  [
    "felix",
    "The one at https://example.org/sheets/4 has only two pages:\n" +
    "the second half is missing.",
  ],
];

/** What emil has for alice. */
const PHOTO = { name: "microwave.jpg", bytes: 1_840_000 };

/** Starts a server with a page, and gives the page's address. */
function startAll() {
  const tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = startServer({ tcp, rates: NO_RATES, log: () => {} });
  const web = startWeb({
    hostname: "127.0.0.1",
    port: 0,
    welcome: (wire, { address }) => server.welcome(wire, address),
  });
  return { server, web, url: `http://127.0.0.1:${web.port}/` };
}

async function measure(browser: Browser): Promise<void> {
  const { server, web, url } = startAll();
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    times.push(await page.evaluate(TIME_OF_FORM) as number);
    if (run === 0) {
      console.log("bytes loaded", await page.evaluate(BYTES_LOADED));
    }
    await context.close();
  }
  console.log("form after ms (median, worst)", medianAndWorst(times));
  const page = await browser.newPage();
  await comeIn(page, url, "alice");
  const filled = await fillRoom(page, server.port);
  console.log(`${MESSAGES} messages arrived and drawn after ms`, filled);
  await page.locator("#text").focus();
  const keys = await page.evaluate(TIMES_OF_KEYS) as number[];
  console.log("key drawn after ms (median, worst)", medianAndWorst(keys));
  web[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
}

/** Sends so many messages to the room; returns how long the page takes. */
async function fillRoom(page: Page, port: number): Promise<number> {
  using bob = await join(port, "bob");
  const started = performance.now();
  for (let number = 1; number <= MESSAGES; number++) {
    await bob.write(encode("SEND", ["#default"], {}, `message ${number}`));
  }
  await page.locator("#messages").getByText(`message ${MESSAGES}`, {
    exact: true,
  }).waitFor();
  return Math.round(performance.now() - started);
}

/** A connection of a user who is in `#default` and reads on. */
async function join(port: number, name: string): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(encode("REGISTER", [name]));
  await conn.write(encode("JOIN", ["#default"]));
  await conn.read(new Uint8Array(4_096));
  readOn(conn).catch(() => {}); // it ends when it is closed
  return conn;
}

async function readOn(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  while (await conn.read(buffer) !== null);
}

async function comeIn(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url);
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("heading", { name: "#default" }).waitFor();
}

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
}

/** On a phone it is put away. */
async function openSidebar(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Conversations" }).click();
}

/** Starts the client with --gui. */
function startProgram(port: number) {
  return serveLocally({
    settings: { server: "127.0.0.1", port },
    dial: ({ host, port }) =>
      Deno.connect({ hostname: host, port: Number(port) }),
    files: pageFiles({ hostname: "127.0.0.1" }),
  });
}

async function takePictures(browser: Browser, folder: string): Promise<void> {
  const { server, web, url } = startAll();
  await using programs = new AsyncDisposableStack();
  const people = new Map<string, Page>();
  for (const name of ["dora", "emil", "felix", "alice"]) {
    const wide = name === "alice";
    const context = await browser.newContext({
      locale: "en-GB",
      viewport: wide
        ? { width: 1120, height: 640 }
        : { width: 360, height: 640 },
    });
    const page = await context.newPage();
    people.set(name, page);
    const hasProgram = name === "emil" || name === "alice";
    const address = hasProgram
      ? programs.use(await startProgram(server.port)).address
      : url;
    await comeIn(page, address, name);
  }
  const [alice, dora] = [people.get("alice")!, people.get("dora")!];
  for (const page of [dora, alice]) {
    if (page === dora) await openSidebar(page);
    await page.locator("#room").fill("lab3");
    await page.locator("#room").press("Enter");
    await page.getByRole("heading", { name: "#lab3" }).waitFor();
    if (page === dora) await openSidebar(page);
    await page.getByRole("button", { name: /^#default/ }).click();
    await page.getByRole("heading", { name: "#default" }).waitFor();
  }
  for (const [name, text] of TALK) {
    await say(people.get(name)!, text);
    await alice.locator("#messages").getByText(text.slice(0, 30)).waitFor();
  }
  await say(people.get("emil")!, "@alice: pizza at noon?");
  await alice.locator(".badge.called").waitFor();
  await offerPhoto(people.get("emil")!, alice);
  for (const colorScheme of ["light", "dark"] as const) {
    for (const [size, page] of [["wide", alice], ["phone", dora]] as const) {
      await page.emulateMedia({ colorScheme });
      const path = `${folder}/${size}-${colorScheme}.png`;
      await page.screenshot({ path });
    }
  }
  web[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
}

/** Emil offers alice a file, and she is asked. */
async function offerPhoto(emil: Page, alice: Page): Promise<void> {
  const [name, mimeType] = [PHOTO.name, "image/jpeg"];
  const choosing = emil.waitForEvent("filechooser");
  await emil.getByRole("button", { name: "Send files" }).click();
  const buffer = Buffer.alloc(PHOTO.bytes);
  await (await choosing).setFiles([{ name, mimeType, buffer }]);
  await alice.getByRole("button", { name: `Accept ${name} from emil` })
    .waitFor();
}

function medianAndWorst(times: readonly number[]): [number, number] {
  const sorted = times.map(Math.round).toSorted((a, b) => a - b);
  return [sorted[sorted.length >> 1] ?? NaN, sorted.at(-1) ?? NaN];
}

/** What the page is asked, in its own words: when the form was first drawn. */
const TIME_OF_FORM = `new Promise((resolve) =>
  new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime))
    .observe({ type: "paint", buffered: true }))`;

const BYTES_LOADED = `[...performance.getEntriesByType("navigation"),
  ...performance.getEntriesByType("resource")]
  .reduce((sum, { transferSize }) => sum + transferSize, 0)`;

/** Until the frame is drawn that shows a character. */
const TIMES_OF_KEYS = `(async () => {
  const text = document.getElementById("text");
  const times = [];
  for (let count = 0; count < 50; count++) {
    const started = performance.now();
    document.execCommand("insertText", false, "x");
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - started);
  }
  return times;
})()`;

if (import.meta.main) {
  await using browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"],
  });
  const [folder] = Deno.args;
  await measure(browser);
  if (folder !== undefined) await takePictures(browser, folder);
}
