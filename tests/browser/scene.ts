/**
 * A server, pages of users in a real browser, and a proxy that cuts connections.
 *
 * @module
 */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import {
  hasChromium,
  launchBrowser,
  pageTest,
  Person,
} from "../tools/browser.ts";
import { FaultProxy } from "../tools/net/fault_proxy.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import {
  serveWebSockets,
  startTestServer,
  type TestOptions,
  type TestServer,
} from "../tools/net/test_server.ts";

/** The place of a test: a server, and a proxy that cuts its connections. */
export interface Scene {
  readonly server: TestServer;
  readonly proxy: FaultProxy;
  /** A user with a page. */
  enter(
    name: string,
    options?: BrowserContextOptions & {
      prepare?: (page: Page) => Promise<void>;
    },
  ): Promise<Person>;
  /** A user of whom the test sees each byte. */
  raw(name: string, ...rooms: string[]): Promise<RawClient>;
}

/** Starts a browser for all tests of a file, and gives what declares a test. */
export function scenes(): (
  name: string,
  test: (scene: Scene) => Promise<void>,
  options?: TestOptions,
) => void {
  const browser = fileBrowser();
  return (name, test, options = {}) =>
    sceneTest(browser, { name, test, options });
}

/** Starts a browser for all tests of a file, which a test gets by the function. */
export function fileBrowser(): () => Browser {
  let browser: Browser;
  Deno.test.beforeAll(async () => {
    if (hasChromium) browser = await launchBrowser();
  });
  Deno.test.afterAll(async () => await browser?.close());
  return () => browser;
}

function sceneTest(
  browser: () => Browser,
  { name, test, options }: {
    readonly name: string;
    readonly test: (scene: Scene) => Promise<void>;
    readonly options: TestOptions;
  },
): void {
  pageTest(name, async () => {
    const server = startTestServer(options);
    const web = serveWebSockets(server);
    await using people = new AsyncDisposableStack();
    people.use(server);
    people.use(web);
    const proxy = people.use(await FaultProxy.open({ target: web.port }));
    const url = `http://127.0.0.1:${proxy.port}/`;
    await test({
      server,
      proxy,
      async enter(name, options = {}) {
        const person = people.use(
          await Person.open(browser(), url, { name, ...options }),
        );
        await person.comeIn(name);
        return person;
      },
      raw: async (...names) =>
        people.use(await RawClient.enter(server.port, ...names)),
    });
  });
}

/** The field in which a user writes. */
export const BOX = "#text";

/** Types keys, as a user does. */
export async function typeKeys({ page }: Person, text: string): Promise<void> {
  await page.locator(BOX).focus();
  await page.keyboard.type(text);
}

/** Clicks on what is in a list of the sidebar. */
export async function choose(
  person: Person,
  list: string,
  name: RegExp,
): Promise<void> {
  await person.page.locator(list).getByRole("button", { name }).click();
  await person.drawn();
}

/** Breaks the connections, and waits until the page knows. */
export async function breakOff(
  { proxy }: Scene,
  { page }: Person,
): Promise<void> {
  proxy.refuses = true;
  proxy.cutAll();
  await page.locator("#banner").getByText("Reconnecting").waitFor();
  await page.getByRole("button", { name: "Try now" }).waitFor();
}

/** Lets the page connect again, and waits until it has. */
export async function reconnect(
  { proxy }: Scene,
  { page }: Person,
): Promise<void> {
  proxy.refuses = false;
  // The page may connect by itself first: a click would wait for the button.
  await page.locator("#banner-button").dispatchEvent("click");
  await page.locator("#banner").waitFor({ state: "hidden" });
}
