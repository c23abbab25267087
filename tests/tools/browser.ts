/**
 * A real browser for the tests of the web client, and the users of it.
 *
 * @module
 */
import axe from "axe-core";
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type LaunchOptions,
  type Page,
} from "playwright-core";
import { PATIENCE_MS, within } from "./net/within.ts";
import { skippedIf } from "./system/skips.ts";

const CHROMIUM = "/usr/bin/chromium";

/** Whether a browser is installed; without one, the tests of the page are skipped. */
export const hasChromium: boolean = await Deno.stat(CHROMIUM)
  .then(() => true, () => false);

/** A name that resolves to this computer and is not its own: not trusted. */
export const FOREIGN_HOST = "parley.test";

/** Starts a browser, one for all tests of a file. */
export function launchBrowser(options: LaunchOptions = {}): Promise<Browser> {
  return chromium.launch({
    ...options,
    executablePath: CHROMIUM,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      `--host-resolver-rules=MAP ${FOREIGN_HOST} 127.0.0.1`,
    ],
  });
}

/** A test in the browser, which keeps running between tests: that is no leak. */
export function pageTest(name: string, fn: () => Promise<void>): void {
  const options = { sanitizeOps: false, sanitizeResources: false };
  const why = hasChromium ? undefined : "there is no chromium";
  Deno.test(skippedIf(why, { name, ...options, fn }));
}

/**
 * What Chromium says of all that it loads when this computer gets an address, or loses
 * one, such as that of a container: no option keeps it from that.
 */
const NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED";

/** Loads a page, again if the network has changed meanwhile. */
async function load(page: Page, url: string): Promise<void> {
  let isWhole = false;
  page.on("requestfailed", (request) => {
    if (request.failure()?.errorText === NETWORK_CHANGED) isWhole = false;
  });
  for (let open = () => page.goto(url); !isWhole; open = () => page.reload()) {
    isWhole = true;
    await open().catch((error: Error) => {
      if (!error.message.includes(NETWORK_CHANGED)) throw error;
      isWhole = false;
    });
  }
}

/** A user with a page, and the errors of that page. */
export class Person implements AsyncDisposable {
  /** For everything that has no method here. */
  readonly page: Page;
  /** Errors on the page: exceptions, and content that the browser refused. */
  readonly complaints: string[] = [];
  readonly name: string;

  private constructor(page: Page, name: string) {
    this.page = page;
    this.name = name;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      // A server that cannot be reached is no fault of the page.
      if (message.text().includes("WebSocket connection to")) return;
      if (message.text().includes(NETWORK_CHANGED)) return;
      if (message.type() === "error") this.complaints.push(message.text());
    });
  }

  /** Opens the page, and does nothing with it. */
  static async open(
    browser: Browser,
    url: string,
    { name = "", prepare, ...options }: BrowserContextOptions & {
      name?: string;
      /** Prepares the page before it is loaded. */
      prepare?: (page: Page) => Promise<void>;
    } = {},
  ): Promise<Person> {
    const context = await browser.newContext({ locale: "en-GB", ...options });
    const page = await context.newPage();
    await prepare?.(page);
    const person = new Person(page, name);
    await load(page, url);
    return person;
  }

  /** Opens the page and joins `#default` as `name`. */
  static async enter(
    browser: Browser,
    url: string,
    name: string,
    options: BrowserContextOptions = {},
  ): Promise<Person> {
    const person = await Person.open(browser, url, { name, ...options });
    await person.comeIn(name);
    return person;
  }

  /** Fills in the form, and waits until the chat is there. */
  async comeIn(name: string): Promise<void> {
    await this.page.getByRole("textbox", { name: "Name" }).fill(name);
    await this.click("Join");
    await this.page.getByRole("heading", { name: "#default" }).waitFor();
  }

  /** Clicks the button with this name. */
  async click(name: string | RegExp): Promise<void> {
    await this.page.getByRole("button", { name, exact: true }).click();
  }

  /** Writes into the conversation that was chosen, and presses Enter. */
  async say(text: string): Promise<void> {
    await this.drawn();
    const field = this.page.getByRole("textbox", {
      name: "Message",
      exact: true,
    });
    await field.fill(text);
    await field.press("Enter");
  }

  /** Waits until the messages have `text`. */
  async sees(text: string): Promise<void> {
    await this.page.locator("#messages").getByText(text, { exact: true })
      .first().waitFor();
  }

  /** Waits until the server has answered all messages of this user. */
  async allSent(): Promise<void> {
    await this.drawn();
    await this.page.locator("#messages > .waiting").first()
      .waitFor({ state: "detached" });
  }

  /** Waits until the page shows what it knows: it draws once a frame. */
  async drawn(): Promise<void> {
    await this.page.evaluate(`new Promise((done) =>
      document.hidden ? setTimeout(done) : requestAnimationFrame(done))`);
  }

  /**
   * Waits until an expression of JavaScript is true. Not `waitForFunction`: if that
   * has to wait, it evaluates in a way that the page's policy forbids.
   */
  async until(expression: string): Promise<void> {
    const holds = this.page.evaluate(`new Promise((done) => {
      const check = () => (${expression}) ? done() : setTimeout(check, 10);
      check();
    })`);
    await within(holds, () => expression);
  }

  /** The messages that are shown, as `name: text`, without the times. */
  async messages(): Promise<string[]> {
    await this.drawn();
    return await this.page.locator("#messages > .message").evaluateAll(
      (all) => {
        return all.map((one) => {
          const who = one.querySelector(".who")?.textContent;
          return `${who}: ${one.querySelector(".text")?.textContent}`;
        });
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }
}

/** Drags files of this computer to something; the first step there enters it. */
export async function drag(
  { page }: Person,
  target: string,
  files: readonly string[],
  types: readonly ("dragEnter" | "dragOver" | "drop")[],
): Promise<void> {
  const box = await page.locator(target).boundingBox();
  if (!box) throw new Error(`${target} is not to be seen`);
  const devtools = await page.context().newCDPSession(page);
  for (const type of types) {
    await devtools.send("Input.dispatchDragEvent", {
      type,
      x: box.x + box.width / 2,
      y: box.y + box.height / 2,
      data: { items: [], files: [...files], dragOperationsMask: 1 },
    });
  }
  await devtools.detach();
}

/** Drags them there, and drops them. */
export function drop(
  person: Person,
  target: string,
  files: readonly string[],
): Promise<void> {
  return drag(person, target, files, ["dragEnter", "dragOver", "drop"]);
}

/** The faults that axe finds on the page as it is now. */
export async function violations({ page }: Person): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate("axe.run()") as axe.AxeResults;
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) =>
      `${id} ${target}: ${failureSummary}`
    )
  );
}

/** Screens that the page is looked at on. */
export const SCREENS: readonly [
  name: string,
  options: BrowserContextOptions,
][] = [
  ["a wide, light screen", { viewport: { width: 1280, height: 800 } }],
  [
    "a phone in the dark",
    {
      viewport: { width: 390, height: 844 },
      colorScheme: "dark",
      reducedMotion: "reduce",
    },
  ],
];
