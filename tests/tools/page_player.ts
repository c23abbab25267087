/**
 * The part of the web client that deals with files, without a browser. It talks to
 * the program of `--gui`, and has its own connection to the server.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type {
  DroppedFile,
  FromPage,
  ShownTransfer,
  ToPage,
} from "../../core/page_talk.ts";
import {
  pageFiles,
  type PageFilesOptions,
} from "../../client/gui/page_session.ts";
import { encode } from "../../protocol.ts";
import { type LocalPage, serveLocally } from "../../client/gui/local.ts";
import { RawClient, SocketWithHeaders, within } from "./net/raw_client.ts";

/** Serves a page whose files go to `parts.folder`, on this computer alone. */
export function servePage(parts: PageFilesOptions = {}): Promise<LocalPage> {
  return serveLocally({
    settings: {},
    dial: (hostname, port) => Deno.connect({ hostname, port: Number(port) }),
    files: pageFiles({ hostname: "127.0.0.1", ...parts }),
  });
}

/** Opens the address of a page; the cookie that it gives. */
export async function cookieOf(
  { address }: Pick<LocalPage, "address">,
): Promise<string> {
  const response = await fetch(address, { redirect: "manual" });
  await response.body?.cancel();
  const [cookie = ""] = response.headers.getSetCookie();
  return cookie.replace(/;.*/, "");
}

/** What a test drops: the bytes of files by their paths; null: unreadable. */
export type Dropped = Readonly<
  Record<string, Uint8Array<ArrayBuffer> | null>
>;

/** See the top of the file. */
export class PagePlayer implements AsyncDisposable {
  /** All messages of the program, in their order. */
  readonly heard: ToPage[] = [];
  /** Transfers that are shown, as they look. */
  readonly cards = new Map<number, ShownTransfer>();
  readonly #host: string;
  readonly #cookie: string;
  readonly #socket: WebSocket;
  readonly #server: RawClient;
  readonly #reading: Promise<void>;
  readonly #asked: number[] = []; // requests that the server answers in order
  readonly #drops = new Map<number, Dropped>();
  readonly #posting = new Set<Promise<void>>();
  readonly #closed = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();
  #lastDrop = 0;

  private constructor(
    { host, cookie, socket, server }: {
      host: string;
      cookie: string;
      socket: WebSocket;
      server: RawClient;
    },
  ) {
    this.#host = host;
    this.#cookie = cookie;
    this.#socket = socket;
    this.#server = server;
    const decoder = new TextDecoder();
    let rest = "";
    socket.onmessage = ({ data }) => {
      const lines = (rest + decoder.decode(data, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#hear(JSON.parse(line));
    };
    socket.onclose = () => this.#closed.resolve();
    this.#reading = this.#read();
  }

  /** Registers as `name`, with the page of a program. */
  static async enter(
    page: Pick<LocalPage, "address">,
    port: number,
    name: string,
  ): Promise<PagePlayer> {
    const { host } = new URL(page.address);
    const cookie = await cookieOf(page);
    const server = await RawClient.enter(port, name);
    const socket = new SocketWithHeaders(`ws://${host}/files?name=${name}`, {
      headers: { Cookie: cookie },
    });
    socket.binaryType = "arraybuffer";
    const { promise: open, resolve, reject } = Promise.withResolvers<void>();
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("Cannot open the WebSocket"));
    await open;
    return new PagePlayer({ host, cookie, socket, server });
  }

  /** Tells the program. */
  say(message: FromPage): void {
    this.#socket.send(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  }

  /** Sends text that is no message of a page. */
  sayNonsense(text: string): void {
    this.#socket.send(text);
  }

  /** Drops files on a user; paths with the same beginning are one folder. */
  drop(to: string, dropped: Dropped): void {
    const drop = ++this.#lastDrop;
    this.#drops.set(drop, dropped);
    const tops: string[] = [];
    const files = Object.entries(dropped).map(([path, bytes]): DroppedFile => {
      const [top = ""] = path.split("/");
      if (!tops.includes(top)) tops.push(top);
      return { item: tops.indexOf(top), path, size: bytes?.length ?? 1 };
    });
    this.say({ type: "send", drop, to, files });
  }

  /** Waits until `found` finds a message, and returns it. */
  async until<T>(what: string, found: () => T | undefined): Promise<T> {
    const waiting = (async () => {
      for (;;) {
        const value = found();
        if (value !== undefined) return value;
        await this.#changed.promise;
      }
    })();
    return await within(waiting, () => `${what}; so far ${this.#story()}`);
  }

  /** Waits for a notice about files that has `text`, and returns it. */
  told(text: string): Promise<ToPage & { type: "told" }> {
    return this.until(
      text,
      () =>
        this.heard.find((one): one is ToPage & { type: "told" } =>
          one.type === "told" && one.text.includes(text)
        ),
    );
  }

  /** Waits for a card in `state`, and gives its number. */
  card(state: ShownTransfer["state"]): Promise<number> {
    return this.until(
      state,
      () => this.cards.values().find((one) => one.state === state)?.transfer,
    );
  }

  /** Resolves when the program has closed the connection. */
  async closed(): Promise<void> {
    await within(this.#closed.promise, () => "the end of the WebSocket");
  }

  /** Posts to the program; gives the status. */
  async post(
    path: string,
    body: Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ): Promise<number> {
    const response = await fetch(`http://${this.#host}${path}`, {
      method: "POST",
      body,
      headers: { Cookie: this.#cookie, ...headers },
    });
    await response.body?.cancel();
    return response.status;
  }

  /** The drops that are still needed. */
  get needed(): number {
    return this.#drops.size;
  }

  /** Closes the page, and then the connection to the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.closed();
    this.#server.close();
    await this.#reading;
    await Promise.all(this.#posting);
  }

  #hear(message: ToPage): void {
    this.heard.push(message);
    switch (message.type) {
      case "transfer":
        this.cards.set(message.transfer, message);
        break;
      case "over":
        this.cards.delete(message.transfer);
        break;
      case "forget":
        this.#drops.delete(message.drop);
        break;
      case "request": {
        this.#asked.push(message.request);
        const { verb, args, headers } = message;
        this.#server.send(encode(verb, args, headers));
        break;
      }
      case "read":
        this.#handOver(message);
    }
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #handOver({ read, drop, file, from, to }: ToPage & { type: "read" }): void {
    const bytes = Object.values(this.#drops.get(drop) ?? {})[file];
    if (!bytes) return this.say({ type: "unreadable", read });
    const posting = this.post(`/files/${read}`, bytes.slice(from, to))
      .then((status) => assertEquals(status, 204))
      .finally(() => this.#posting.delete(posting));
    this.#posting.add(posting);
  }

  /** Passes on what the server sends about files. */
  async #read(): Promise<void> {
    for (;;) {
      const frame = await this.#server.frame().catch(() => undefined);
      if (frame === undefined) return;
      const [first = "", ...lines] = frame.split("\n\n")[0]!.split("\n");
      const [verb = "", ...args] = first.split(" ");
      const headers = lines.map((line): [string, string] => {
        const [name = "", value = ""] = line.split(/: (.*)/s);
        return [name.toLowerCase(), value];
      });
      if (["CALL", "ACCEPT", "DECLINE"].includes(verb)) {
        this.say({ type: "frame", verb, args, headers });
      } else if (ANSWERS.has(verb)) this.#answer(verb, args, headers);
    }
  }

  #answer(
    verb: string,
    [code = ""]: string[],
    headers: [string, string][],
  ): void {
    const request = this.#asked.shift();
    if (request === undefined) return;
    const reason = new Map(headers).get("reason") ?? "";
    this.say(
      verb === "ERROR"
        ? { type: "answer", request, code: Number(code), reason }
        : { type: "answer", request },
    );
  }

  #story(): string {
    return this.heard.map((one) => JSON.stringify(one)).join("\n");
  }
}

const ANSWERS = new Set(["CALLING", "ACCEPTED", "DECLINED", "ERROR"]);
