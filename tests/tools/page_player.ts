/**
 * The part of the web client that deals with files, without a browser. It talks to
 * the program of `--gui`, and has its own connection to the server.
 *
 * @module
 */
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
import { RawClient, SocketWithHeaders } from "./net/raw_client.ts";
import { within } from "./net/within.ts";

/** Serves a page whose files go to `parts.folder`, on this computer alone. */
export function servePage(parts: PageFilesOptions = {}): LocalPage {
  return serveLocally({
    settings: {},
    dial: ({ host, port }) =>
      Deno.connect({ hostname: host, port: Number(port) }),
    files: pageFiles({ hostname: "127.0.0.1", ...parts }),
  });
}

/** What a page has, once its address was opened. */
export interface Entry {
  /** The cookie, as it is sent; empty if the address was opened before. */
  readonly cookie: string;
  /** With it the page opens WebSockets; the program does not give it twice. */
  readonly word: string;
  /** The first message of the program. */
  readonly proof: string;
}

/** Opens the address of a page. */
export async function openAddress(
  { address }: Pick<LocalPage, "address">,
): Promise<Entry> {
  const response = await fetch(address, { redirect: "manual" });
  await response.body?.cancel();
  const [cookie = ""] = response.headers.getSetCookie();
  const [, words = ""] = (response.headers.get("Location") ?? "").split("#");
  const [word, proof] = [words.slice(0, 32), words.slice(32)];
  return { cookie: cookie.replace(/;.*/, ""), word, proof };
}

/** Opens a WebSocket as a page does; `path` has a query. */
export function openPageSocket(
  { address }: Pick<LocalPage, "address">,
  path: string,
  { cookie, word }: Pick<Entry, "cookie" | "word">,
): WebSocket {
  const url = `ws://${new URL(address).host}${path}&key=${word}`;
  const headers = { Cookie: cookie };
  const socket = new SocketWithHeaders(url, { headers });
  socket.binaryType = "arraybuffer";
  return socket;
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
    socket.onmessage = ({ data }) =>
      this.#hear(JSON.parse(decoder.decode(data)));
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
    const entry = await openAddress(page);
    const { cookie } = entry;
    const server = await RawClient.enter(port, name);
    const socket = openPageSocket(page, `/files?name=${name}`, entry);
    const { promise: open, resolve, reject } = Promise.withResolvers<void>();
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("Cannot open the WebSocket"));
    await open;
    return new PagePlayer({ host, cookie, socket, server });
  }

  /** Tells the program; with the bytes of a piece. */
  say(message: FromPage, bytes?: Uint8Array<ArrayBuffer>): void {
    const json = JSON.stringify(message);
    this.#socket.send(bytes ? new Blob([json, "\n", bytes]) : json);
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
    this.say({ type: "piece", read }, bytes?.slice(from, to));
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
