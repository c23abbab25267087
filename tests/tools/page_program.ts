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
import { startTestServer, type TestServer, within } from "./net/raw_client.ts";

type Told<T extends FromPage["type"]> = Extract<FromPage, { type: T }>;

/** See the top of the file. */
export class FakeProgram implements AsyncDisposable {
  /** The name that the page has told, once it has. */
  readonly opened: Promise<string>;
  /** Whether the page has closed the connection. */
  readonly ended: Promise<void>;
  readonly #open = Promise.withResolvers<string>();
  readonly #end = Promise.withResolvers<void>();
  #socket: WebSocketRoute | undefined;
  /** The longest message of the WebSocket so far, in bytes. */
  longest = 0;
  #unfinished = "";
  readonly #told: FromPage[] = [];
  readonly #bodies = new Map<string, Uint8Array>();
  #changed = Promise.withResolvers<void>();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      this.#bodies.set(new URL(request.url).pathname, await request.bytes());
      this.#wake();
      return new Response(null, { status: 204 });
    },
  );

  constructor() {
    this.opened = this.#open.promise;
    this.ended = this.#end.promise;
  }

  /** Plays its part for `page`, which is to be loaded yet. */
  async attach(page: Page): Promise<void> {
    await page.routeWebSocket(/\/files\?/, (socket) => {
      this.#socket = socket;
      socket.onMessage((data) => {
        this.longest = Math.max(this.longest, data.length);
        this.#hear(`${data}`);
      });
      socket.onClose(() => this.#end.resolve());
      const { searchParams } = new URL(socket.url());
      this.#open.resolve(searchParams.get("name") ?? "");
    });
    await page.route(/\/files\/\d+$/, async (route) => {
      const url = new URL(route.request().url());
      url.port = `${this.#server.addr.port}`;
      await route.continue({ url: url.href });
    });
  }

  /** Sends a message in pieces of at most `pieceBytes`. */
  tell(messages: ToPage | readonly ToPage[], pieceBytes = Infinity): void {
    const lines = [messages].flat().map((one) => `${JSON.stringify(one)}\n`);
    const bytes = Buffer.from(lines.join(""));
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.#socket?.send(bytes.subarray(at, at + pieceBytes));
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

  /** Waits until the page has sent the bytes of a file to `path`. */
  async body(path: string): Promise<Uint8Array> {
    const body = await this.#until(
      () => this.#bodies.get(path),
      (body) => body !== undefined,
    );
    return body!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #hear(text: string): void {
    const lines = (this.#unfinished + text).split("\n");
    this.#unfinished = lines.pop()!;
    for (const line of lines) this.#told.push(JSON.parse(line));
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
  await using local = await serveLocally({
    settings: { name: "alice", server: "127.0.0.1", port: server.port },
    dial: (hostname, port) => Deno.connect({ hostname, port: Number(port) }),
    files: pageFiles({}), // which it never uses
  });
  await using program = new FakeProgram();
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
