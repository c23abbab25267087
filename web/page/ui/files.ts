/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Files to other users and from them. A page has no connections to other
 * users: the program that opened it (`client.ts --gui`) has them, and decides;
 * see core/page_talk.ts. This page stands between that program and the server.
 * It forwards what they tell each other, and hands over the bytes of files that
 * were dropped on it. The program has served this page, so its messages are
 * trusted here; texts of other users are sanitized where they are shown.
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
import type { Carrier } from "../model/watcher.ts";
import { type Chosen, filesIn, type Thing, thingsIn } from "../model/chosen.ts";
import { newSocket } from "../net/socket.ts";
import { byId } from "./dom.ts";
import { announce, notify, toast } from "./news.ts";
import { TransferCard } from "./transfers.ts";

/** A message of the program, by its type. */
type Told<T extends ToPage["type"]> = Extract<ToPage, { type: T }>;

/** A search through folders that takes longer is told, in milliseconds. */
const SLOW_SEARCH_MS = 1_000;

/** Limit of ringing calls that are known, the newest. */
const MAX_RINGING = 100;

const ENDED = "The program that carries files has ended. Start it again.";

const SEARCHING = "Searching the folders. The files are offered after that.";

/** See the top of the file. */
export class Files implements Carrier {
  readonly #chat: Chat;
  #program: WebSocket | undefined; // to it
  readonly #cards = new Map<number, TransferCard>();
  readonly #drops = new Map<number, readonly Chosen[]>();
  #lastDrop = 0;
  /**
   * The other user of each call that rings, by session. When the page goes, only
   * the page can say that they are over: the program has no other way to the
   * server.
   */
  readonly #ringing = new Map<string, string>();

  constructor(chat: Chat) {
    this.#chat = chat;
  }

  /** Whether a file is offered, or on its way. */
  get isBusy(): boolean {
    return this.#cards.size > 0;
  }

  /** See {@linkcode Carrier}. */
  arrived(): void {
    if (this.#program && this.#program.readyState <= WebSocket.OPEN) return;
    const url = new URL("/files", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("name", this.#chat.me);
    const program = newSocket(url);
    const decoder = new TextDecoder();
    program.onmessage = ({ data }) =>
      this.#hear(JSON.parse(decoder.decode(data)), program);
    program.onclose = () => {
      this.end();
      // A page that has lost the server too tries again with it.
      if (this.#chat.server.registered) toast(ENDED);
    };
    this.#program = program;
  }

  /** See {@linkcode Carrier}. */
  take(frame: Frame): boolean {
    if (!isOpen(this.#program)) return false;
    const { verb, args, headers } = frame;
    const [name = ""] = args;
    this.#noteCall(verb, name, header(frame, "session") ?? "");
    tell(this.#program, { type: "frame", verb, args, headers });
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
    const program = this.#program;
    this.#program = undefined;
    if (program) program.onmessage = program.onclose = null;
    program?.close();
    for (const number of this.#cards.keys()) this.#remove(number);
    this.#drops.clear();
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
    const slow = setTimeout(() => toast(SEARCHING, true), SLOW_SEARCH_MS);
    try {
      if (this.#chat.isMe(to)) throw new Error(SENT_TO_SELF);
      const { files, leftOut } = await filesIn(things);
      if (files.length === 0) {
        throw new Error(leftOut[0] ?? "Cannot send that: it is no file");
      }
      if (!isOpen(this.#program)) {
        throw new Error(
          "Cannot send files: the program that carries them is away. " +
            "Try again when you are connected.",
        );
      }
      const drop = ++this.#lastDrop;
      this.#drops.set(drop, files);
      const told = files.map(({ file: _, ...one }) => one);
      tell(this.#program, { type: "send", drop, to, files: told, leftOut });
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
  #hear(message: ToPage, program: WebSocket): void {
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
        return this.#remove(message.transfer);
      case "forget":
        this.#drops.delete(message.drop);
        return;
      case "told":
        return this.#chat.note(message);
    }
  }

  #remove(number: number): void {
    this.#cards.get(number)?.remove();
    this.#cards.delete(number);
  }

  async #ask(
    { request, verb, args, headers }: Told<"request">,
    program: WebSocket,
  ): Promise<void> {
    const [name = ""] = args;
    this.#noteCall(verb, name, `${headers["Session"]}`);
    try {
      await this.#chat.server.request(verb, args, headers);
      tell(program, { type: "answer", request });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const code = error instanceof ChatError ? { code: error.code } : {};
      tell(program, {
        type: "answer",
        request,
        reason: error.message,
        ...code,
      });
    }
  }

  async #read(
    { read, drop, file, from, to }: Told<"read">,
    program: WebSocket,
  ): Promise<void> {
    const piece = this.#drops.get(drop)?.[file]?.file?.slice(from, to);
    // A file that has changed or is gone cannot be read.
    const bytes = await piece?.arrayBuffer().catch(() => undefined);
    tell(program, { type: "piece", read }, bytes);
  }

  #show(transfer: ShownTransfer): void {
    const { transfer: number, peer, title, state, text } = transfer;
    const act = (type: "accept" | "end") =>
      tell(this.#program, { type, transfer: number });
    const card = this.#cards.get(number) ?? new TransferCard(act);
    const before = card.state;
    this.#cards.set(number, card);
    card.update(transfer);
    if (state !== "offered" || before === state) return;
    announce(`${peer} offers ${title}: ${text}`);
    if (this.#chat.attentive) return;
    const show = () => this.#chat.talkTo(peer);
    const what = `${title}: ${text}`;
    notify(`Files from ${peer}`, what, `files ${number}`, show);
  }
}

/** Whether messages reach the program. */
function isOpen(program: WebSocket | undefined): boolean {
  return program?.readyState === WebSocket.OPEN;
}

/** Sends a message, with the bytes of a piece, unless the program is gone. */
function tell(
  program: WebSocket | undefined,
  message: FromPage,
  bytes?: ArrayBuffer,
): void {
  const json = JSON.stringify(message);
  if (!isOpen(program)) return;
  program?.send(bytes ? new Blob([json, "\n", bytes]) : json);
}
