/**
 * The program behind a page of --gui, as the page sees it: the messages that it
 * gets and sends, and the bytes of files. The real program has tests of its own;
 * this one also does what the real one does not.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type {
  Browser,
  BrowserContextOptions,
  Page,
  WebSocketRoute,
} from "playwright-core";
import { pageFiles } from "../../client/gui/page_session.ts";
import type { FromPage, ShownTransfer, ToPage } from "../../core/page_talk.ts";
import { serveLocally } from "../../client/gui/local.ts";
import { Person } from "./browser.ts";
import { startTestServer, type TestServer } from "./net/test_server.ts";
import { within } from "./net/within.ts";

type Told<T extends FromPage["type"]> = Extract<FromPage, { type: T }>;

/** See the top of the file. */
export class FakeProgram {
  /** The name that the page has told, once it has. */
  readonly opened: Promise<string>;
  /** Whether the page has closed the connection. */
  readonly ended: Promise<void>;
  readonly #open = Promise.withResolvers<string>();
  readonly #end = Promise.withResolvers<void>();
  #socket: WebSocketRoute | undefined;
  readonly #told: FromPage[] = [];
  readonly #pieces = new Map<number, Uint8Array>();
  #changed = Promise.withResolvers<void>();

  constructor() {
    this.opened = this.#open.promise;
    this.ended = this.#end.promise;
  }

  /** Plays its part for `page`, which is to be loaded yet. */
  async attach(page: Page): Promise<void> {
    await page.routeWebSocket(/\/files\?/, (socket) => {
      this.#socket = socket;
      socket.onMessage((data) => this.#hear(Buffer.from(data)));
      socket.onClose(() => this.#end.resolve());
      const { searchParams } = new URL(socket.url());
      this.#open.resolve(searchParams.get("name") ?? "");
    });
  }

  /** Sends messages. */
  tell(...messages: ToPage[]): void {
    for (const one of messages) {
      this.#socket?.send(Buffer.from(JSON.stringify(one)));
    }
  }

  /** Ends, as one that was killed. */
  async end(): Promise<void> {
    await this.#socket?.close();
  }

  /** Waits for the next message of this type. */
  async next<T extends FromPage["type"]>(type: T): Promise<Told<T>> {
    const at = await this.#until(
      () => this.#told.findIndex((one) => one.type === type),
      (at) => at >= 0,
    );
    return this.#told.splice(at, 1)[0] as Told<T>;
  }

  /** Waits for the bytes of a piece. */
  async piece(read: number): Promise<Uint8Array> {
    const bytes = await this.#until(
      () => this.#pieces.get(read),
      (bytes) => bytes !== undefined,
    );
    return bytes!;
  }

  #hear(message: Buffer): void {
    const end = message.indexOf("\n");
    const json = end < 0 ? message : message.subarray(0, end);
    const said: FromPage = JSON.parse(`${json}`);
    this.#told.push(said);
    if (said.type === "piece") {
      const bytes = end < 0 ? [] : message.subarray(end + 1);
      this.#pieces.set(said.read, new Uint8Array(bytes));
    }
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #until<T>(look: () => T, isThere: (found: T) => boolean): Promise<T> {
    for (;;) {
      const found = look();
      if (isThere(found)) return found;
      await within(this.#changed.promise, () => JSON.stringify(this.#told));
    }
  }
}

/** Where a test takes place. */
export interface Place {
  readonly server: TestServer;
  readonly program: FakeProgram;
  /** A user on a page of --gui. */
  readonly alice: Person;
}

/** Gives `test` a user whose page has a program; fails on errors of the page. */
export async function withProgram(
  browser: Browser,
  test: (place: Place) => Promise<void>,
  options: BrowserContextOptions = {},
): Promise<void> {
  await using server = startTestServer();
  await using local = serveLocally({
    settings: { name: "alice", server: "127.0.0.1", port: server.port },
    dial: ({ host, port }) =>
      Deno.connect({ hostname: host, port: Number(port) }),
    files: pageFiles({}), // which it never uses
  });
  const program = new FakeProgram();
  await using alice = await Person.open(browser, local.address, {
    ...options,
    prepare: (page) => program.attach(page),
  });
  await alice.comeIn("alice");
  assertEquals(await program.opened, "alice");
  await test({ server, program, alice });
  assertEquals(alice.complaints, []);
}

/** A transfer, as it is shown. */
export function offer(more: Partial<ShownTransfer> = {}): ToPage {
  return {
    type: "transfer",
    transfer: 1,
    sends: false,
    peer: "bob",
    title: "photo.jpg",
    state: "offered",
    text: "3.4 MB",
    part: 0,
    ...more,
  };
}
