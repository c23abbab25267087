/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Files to other users and from them. A page has no connections to other
 * users: the program that opened it (`client.ts --gui`) has them, and decides;
 * see core/page_talk.ts. This page stands between that program and the server.
 * It forwards what they tell each other, and hands over the bytes of files that
 * were dropped on it. The program has served this page, so its messages are
 * trusted here; what it passes on from other users is sanitized where it is
 * shown.
 *
 * A page that a server serves does not load this: it has no such program.
 *
 * @module
 */
import { SENT_TO_SELF } from "../../../core/text/sentences.ts";
import type {
  FromPage,
  ShownTransfer,
  ToPage,
} from "../../../core/page_talk.ts";
import { ChatError, type Frame, header } from "../../../protocol.ts";
import type { Chat } from "../model/chat.ts";
import { type Chosen, filesIn, type Thing, thingsIn } from "../model/chosen.ts";
import type { Carrier } from "../net/calls.ts";
import { sendInPieces } from "../net/socket.ts";
import { byId } from "./dom.ts";
import { announce, notify, toast } from "./news.ts";
import { TransferList } from "./transfers.ts";

/** A message of the program, by its type. */
type Told<T extends ToPage["type"]> = Extract<ToPage, { type: T }>;

/** A search through folders that takes longer is told, in milliseconds. */
const SLOW_SEARCH_MS = 1_000;

/** How many ringing calls are known, the newest. */
const MAX_RINGING = 100;

const SEARCHING = "Searching the folders. The files are offered after that.";

/** See the top of the file. */
export class Files implements Carrier {
  readonly #chat: Chat;
  readonly #changed: () => void;
  #program: Program | undefined;
  readonly #transfers = new Map<number, ShownTransfer>();
  readonly #drops = new Map<number, readonly Chosen[]>();
  #lastDrop = 0;
  /**
   * The other user of each call that rings, by session. When the page goes, only
   * the page can say that they are over: the program has no other way to the
   * server.
   */
  readonly #ringing = new Map<string, string>();
  readonly #list = new TransferList((type, transfer) =>
    this.#program?.tell({ type, transfer })
  );

  /** @param changed Runs when there is something to draw. */
  constructor(chat: Chat, changed: () => void) {
    this.#chat = chat;
    this.#changed = changed;
  }

  /** Whether a file is offered, or on its way. */
  get isBusy(): boolean {
    return this.#transfers.size > 0;
  }

  /** Shows the transfers there are now. */
  draw(): void {
    this.#list.draw(this.#transfers);
  }

  /** See {@linkcode Carrier}. */
  arrived(): void {
    if (this.#program) return;
    const program: Program = new Program(
      this.#chat.me,
      (message) => this.#hear(message, program),
      () => this.#lost(program),
    );
    this.#program = program;
  }

  /** See {@linkcode Carrier}. */
  take(frame: Frame): boolean {
    if (!this.#program?.isOpen) return false;
    const { verb, args, headers } = frame;
    const [name = ""] = args;
    this.#noteCall(verb, name, header(frame, "session") ?? "");
    this.#program.tell({ type: "frame", verb, args, headers });
    return true;
  }

  /** See {@linkcode Carrier}. */
  leave(): void {
    for (const [Session, name] of this.#ringing) {
      this.#chat.server.request("DECLINE", [name], { Session, Reason: "left" })
        .catch(() => {}); // the other user may be gone
    }
    this.#ringing.clear();
  }

  /** See {@linkcode Carrier}. */
  end(): void {
    this.#program?.close();
    this.#program = undefined;
    this.#forget();
  }

  /** Sends what is dropped. */
  drop(to: string, dropped: DataTransfer | null): void {
    this.#send(to, thingsIn(dropped));
  }

  /** Lets the user pick the files to send. */
  pick(to: string): void {
    const input = byId("pick", HTMLInputElement);
    input.value = ""; // so that the same files can be picked again
    input.onchange = () => this.#send(to, [...input.files ?? []]);
    input.click();
  }

  async #send(to: string, things: readonly Thing[]): Promise<void> {
    const slow = setTimeout(() => toast(SEARCHING), SLOW_SEARCH_MS);
    try {
      if (this.#chat.isMe(to)) throw new Error(SENT_TO_SELF);
      const files = await filesIn(things);
      if (files.length === 0) {
        throw new Error("Cannot send that: it is no file");
      }
      if (!this.#program?.isOpen) {
        throw new Error(
          "Cannot send files: the program that carries them is away. " +
            "Try again when you are connected.",
        );
      }
      const drop = ++this.#lastDrop;
      this.#drops.set(drop, files);
      const told = files.map(({ item, path, size }) => ({ item, path, size }));
      this.#program.tell({ type: "send", drop, to, files: told });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      toast(error.message);
    } finally {
      clearTimeout(slow);
    }
  }

  #noteCall(verb: string, name: string, session: string): void {
    if (verb === "CALL") this.#ringing.set(session, name);
    else this.#ringing.delete(session);
    const [oldest = ""] = this.#ringing.keys();
    if (this.#ringing.size > MAX_RINGING) this.#ringing.delete(oldest);
  }

  /** Takes what `program` says. */
  #hear(message: ToPage, program: Program): void {
    if (program !== this.#program) return; // it said this before we closed it
    switch (message.type) {
      case "request":
        this.#ask(message, program);
        return;
      case "read":
        this.#read(message, program);
        return;
      case "transfer":
        return this.#show(message);
      case "over":
        this.#transfers.delete(message.transfer);
        return this.#changed();
      case "forget":
        this.#drops.delete(message.drop);
        return;
      case "told": {
        const { peer, failed, text, news } = message;
        const kind = failed ? "error" : "event";
        return this.#chat.note(peer, { kind, text, news });
      }
    }
  }

  async #ask(
    { request, verb, args, headers }: Told<"request">,
    program: Program,
  ): Promise<void> {
    const [name = ""] = args;
    this.#noteCall(verb, name, `${headers["Session"]}`);
    try {
      await this.#chat.server.request(verb, args, headers);
      program.tell({ type: "answer", request });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const code = error instanceof ChatError ? { code: error.code } : {};
      program.tell({ type: "answer", request, reason: error.message, ...code });
    }
  }

  async #read(
    { read, drop, file, from, to }: Told<"read">,
    program: Program,
  ): Promise<void> {
    const body = this.#drops.get(drop)?.[file]?.file?.slice(from, to);
    try {
      if (!body) throw new TypeError("No such file");
      await fetch(`/files/${read}`, { method: "POST", body });
    } catch {
      program.tell({ type: "unreadable", read });
    }
  }

  #show(transfer: ShownTransfer): void {
    const { transfer: number, peer, title, state, text } = transfer;
    const before = this.#transfers.get(number)?.state;
    this.#transfers.set(number, transfer);
    this.#changed();
    if (state !== "offered" || before === state) return;
    announce(`${peer} offers ${title}: ${text}`);
    if (this.#chat.attentive) return;
    const show = () => this.#chat.talkTo(peer);
    const what = `${title}: ${text}`;
    notify(`Files from ${peer}`, what, `files ${number}`, show);
  }

  #lost(program: Program): void {
    if (program !== this.#program) return; // we have closed it
    this.#program = undefined;
    this.#forget();
    toast("The program that carries files has ended. Start it again.");
  }

  #forget(): void {
    this.#transfers.clear();
    this.#drops.clear();
    this.#changed();
  }
}

/**
 * The WebSocket to the program; core/page_talk.ts has its messages. It is not
 * opened again once it ends.
 */
class Program {
  readonly #socket: WebSocket;

  /** Connects as the user `name`. */
  constructor(
    name: string,
    heard: (message: ToPage) => void,
    ended: () => void,
  ) {
    const url = new URL("/files", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("name", name);
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    const decoder = new TextDecoder();
    let unfinished = ""; // line
    this.#socket.onmessage = ({ data }) => {
      const text = typeof data === "string"
        ? data
        : decoder.decode(data, { stream: true });
      const lines = (unfinished + text).split("\n");
      unfinished = lines.pop() ?? "";
      for (const line of lines) heard(JSON.parse(line));
    };
    this.#socket.onclose = ended;
  }

  /** Whether messages reach the program. */
  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Sends a message, unless the program is gone. */
  tell(message: FromPage): void {
    if (!this.isOpen) return;
    const bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    sendInPieces(this.#socket, bytes);
  }

  /** Ends it. Idempotent. */
  close(): void {
    this.#socket.close();
  }
}
