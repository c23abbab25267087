// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Files, to others and from them. A page has no connections to other users: the
 * program that has opened it (`client.ts --gui`) has them, and decides; see
 * core/page_talk.ts. Between that program and the server stands this page,
 * which passes on what they have to tell each other, and hands over the bytes of
 * what was dropped on it.
 *
 * Pages that a server serves do not load this: they have no such program.
 *
 * @module
 */
import { ChatError, header } from "../../../protocol.ts";
import { Ringing } from "../net/calls.js";
import { filesIn, thingsIn } from "../model/chosen.js";
import { byId } from "./dom.js";
import { announce, notify, toast } from "./news.js";
import { Program } from "../net/program.js";
import { TransferList } from "./transfers.js";

/** @import { ShownTransfer, ToPage } from "../../../core/page_talk.ts" */
/** @import { Frame } from "../../../protocol.ts" */
/** @import { Carrier } from "../net/calls.js" */
/** @import { Chat } from "../model/chat.js" */
/** @import { Chosen, Thing } from "../model/chosen.js" */

/**
 * @template {ToPage["type"]} T
 * @typedef {Extract<ToPage, { type: T }>} Told
 */

/** Who looks through folders for so long says so, in milliseconds. */
const LOOKS_SLOWLY_MS = 1_000;

const LOOKING = "Looking through the folders. They are offered soon";

/** See the top of the file. @implements {Carrier} */
export class Files {
  #chat;
  #changed;
  /** @type {Program | undefined} */
  #program;
  /** @type {Map<number, ShownTransfer>} */
  #transfers = new Map();
  /** What was dropped, by its number. @type {Map<number, readonly Chosen[]>} */
  #drops = new Map();
  #lastDrop = 0;
  #ringing = new Ringing();
  #list = new TransferList({
    accept: (transfer) => this.#program?.tell({ type: "accept", transfer }),
    end: (transfer) => this.#program?.tell({ type: "end", transfer }),
  });

  /** @param {Chat} chat @param {() => void} changed There is something to draw. */
  constructor(chat, changed) {
    this.#chat = chat;
    this.#changed = changed;
  }

  /** Whether something is offered, or on its way. */
  get isBusy() {
    return this.#transfers.size > 0;
  }

  /** Shows what there is now. */
  draw() {
    this.#list.draw(this.#transfers);
  }

  /** See {@linkcode Carrier}. */
  arrived() {
    if (this.#program) return;
    const program = new Program(this.#chat.me, {
      heard: (message) => this.#hear(message, program),
      ended: () => this.#lost(program),
    });
    this.#program = program;
  }

  /** See {@linkcode Carrier}. @param {Frame} frame */
  take(frame) {
    if (!this.#program?.isOpen) return false;
    const { verb, args, headers } = frame;
    const [name = ""] = args;
    this.#ringing.note(verb, name, header(frame, "session") ?? "");
    this.#program.tell({ type: "frame", verb, args, headers });
    return true;
  }

  /** See {@linkcode Carrier}. */
  leave() {
    this.#ringing.declineAll(this.#chat);
  }

  /** See {@linkcode Carrier}. */
  end() {
    this.#program?.close();
    this.#program = undefined;
    this.#forget();
  }

  /** Sends what is dropped. @param {string} to @param {DataTransfer | null} dropped */
  drop(to, dropped) {
    this.#send(to, thingsIn(dropped));
  }

  /** Lets the person pick what is sent. @param {string} to */
  pick(to) {
    const input = byId("pick", HTMLInputElement);
    input.value = ""; // so that the same can be picked again
    input.onchange = () => this.#send(to, [...input.files ?? []]);
    input.click();
  }

  /** @param {string} to @param {readonly Thing[]} things */
  async #send(to, things) {
    const slow = setTimeout(() => toast(LOOKING), LOOKS_SLOWLY_MS);
    try {
      if (this.#chat.isMe(to)) throw new Error("Cannot send to yourself");
      const files = await filesIn(things);
      if (files.length === 0) {
        throw new Error("Cannot send that: it is no file");
      }
      if (!this.#program?.isOpen) {
        throw new Error(
          "Cannot send files: the program that carries them is away. " +
            "Try again when you are connected",
        );
      }
      const drop = ++this.#lastDrop;
      this.#drops.set(drop, files);
      const told = files.map(({ item, path, size }) => ({ item, path, size }));
      this.#program.tell({ type: "send", drop, to, files: told });
    } catch (error) {
      // The cast: nothing above throws anything else.
      toast(/** @type {Error} */ (error).message);
    } finally {
      clearTimeout(slow);
    }
  }

  /** @param {ToPage} message @param {Program} program Who says it. */
  #hear(message, program) {
    if (program !== this.#program) return; // what it said while we hung up
    switch (message.type) {
      case "request":
        return this.#ask(message, program);
      case "read":
        return this.#read(message, program);
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

  /** @param {Told<"request">} message @param {Program} program */
  async #ask({ request, verb, args, headers }, program) {
    const [name = ""] = args;
    this.#ringing.note(verb, name, `${headers["Session"]}`);
    try {
      await this.#chat.ask(verb, args, headers);
      program.tell({ type: "answer", request });
    } catch (error) {
      const { message } = /** @type {Error} */ (error); // as chat.js has it
      const code = error instanceof ChatError ? { code: error.code } : {};
      program.tell({ type: "answer", request, reason: message, ...code });
    }
  }

  /** @param {Told<"read">} message @param {Program} program */
  async #read({ read, drop, file, from, to }, program) {
    const body = this.#drops.get(drop)?.[file]?.file?.slice(from, to);
    try {
      if (!body) throw new TypeError("No such file");
      await fetch(`/files/${read}`, { method: "POST", body });
    } catch {
      program.tell({ type: "unreadable", read });
    }
  }

  /** @param {ShownTransfer} transfer */
  #show(transfer) {
    const { transfer: number, peer, title, state, text } = transfer;
    const before = this.#transfers.get(number)?.state;
    this.#transfers.set(number, transfer);
    this.#changed();
    if (state !== "offered" || before === state) return;
    announce(`${peer} offers ${title}: ${text}`);
    if (this.#chat.attentive) return;
    notify(`Files from ${peer}`, {
      text: `${title}: ${text}`,
      tag: `files ${number}`,
      show: () => this.#chat.talkTo(peer),
    });
  }

  /** @param {Program} program */
  #lost(program) {
    if (program !== this.#program) return; // we have closed it
    this.#program = undefined;
    this.#forget();
    toast("The program that carries files has ended. Start it again");
  }

  #forget() {
    this.#transfers.clear();
    this.#drops.clear();
    this.#changed();
  }
}
