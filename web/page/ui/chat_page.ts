/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The chat in the page. It connects the keyboard and the pointer with the chat,
 * and has other files draw it: at most once a frame, however much arrives.
 *
 * @module
 */
import { sanitize } from "../../../core/text/sanitize.ts";
import { inWords } from "../../../core/net/connection_error.ts";
import { canUseAccounts } from "../../../core/sign_in.ts";
import { accountCreated, RECONNECTING } from "../../../core/text/sentences.ts";
import { DEFAULT_ROOM } from "../../../protocol.ts";
import { Chat } from "../model/chat.ts";
import type { Conversation, Entry } from "../model/conversation.ts";
import { runLine } from "../model/typed.ts";
import { openSocket } from "../net/socket.ts";
import { byId, recall, remember } from "./dom.ts";
import { takeDrops } from "./drop.ts";
import type { Files } from "./files.ts";
import { checkRepeated, type Form, type Goal } from "./form.ts";
import { MessageList, nameOf, titleOf } from "./messages.ts";
import { announce, canAskToNotify, notify, toast } from "./news.ts";
import { drawMe, peopleHere, Sidebar } from "./sidebar.ts";

/** Where the rooms of a tab are stored, for a reload of the page. */
const ROOMS = "parley-rooms";

/** A panel that a narrow screen shows in front of the messages. */
type Panel = "sidebar" | "people";

/** The chat, from the first connection to the end. */
export class ChatPage {
  readonly #form: Form;
  readonly #chat: Chat;
  readonly #sidebar: Sidebar;
  readonly #messages: MessageList;
  readonly #files: Files | undefined;
  readonly #end = new AbortController();
  #drawing = false;
  readonly #text = byId("text", HTMLTextAreaElement);
  readonly #root = byId("chat");
  #drawn: Conversation | undefined;

  /** @param carrier The module that carries files, if the page has one. */
  constructor(
    goal: Goal,
    form: Form,
    carrier: typeof import("./files.ts") | undefined,
  ) {
    this.#form = form;
    this.#chat = new Chat({
      ...goal,
      dial: (signal) => openSocket(goal.url, signal),
      watcher: {
        changed: () => this.#schedule(),
        said: (...news) => this.#announce(...news),
        noted: (...news) => this.#noted(...news),
        told: toast,
        signUp: () => this.#signUp(),
      },
    });
    if (carrier) {
      this.#files = new carrier.Files(this.#chat, () => this.#schedule());
      this.#chat.carrier = this.#files;
      byId("about-files").textContent = "Drop files on a name to send them.";
    }
    takeDrops(this.#chat, this.#files, this.#end.signal);
    this.#sidebar = new Sidebar(this.#chat, () => this.#open(undefined));
    this.#messages = new MessageList(this.#chat, this.#end.signal);
    this.#listen();
  }

  /** Runs until the chat ends. */
  async run(): Promise<void> {
    const chat = this.#chat;
    try {
      await chat.run();
      if (chat.wasRegistered) this.#close();
      else this.#form.show();
    } catch (error) {
      if (chat.wasRegistered) return; // the messages stay there to be read
      this.#end.abort();
      if (!(error instanceof Error)) throw error;
      this.#form.refuse(error);
    }
  }

  /** Back to the form. */
  #close(): void {
    this.#end.abort();
    this.#root.hidden = true;
    document.title = "Parley";
    this.#form.show();
  }

  #listen(): void {
    this.#listenToButtons();
    this.#listenToKeys();
    this.#on(byId("join"), "submit", (event) => {
      event.preventDefault();
      const input = byId("room", HTMLInputElement);
      if (input.value.trim() === "") return;
      this.#chat.join(input.value);
      input.value = "";
      this.#open(undefined);
    });
    this.#on(byId("composer"), "submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#on(this.#text, "input", () => this.#fitText());
    this.#on(document, "visibilitychange", () => this.#attend());
    this.#on(window, "focus", () => this.#attend());
    this.#on(window, "blur", () => this.#attend());
    this.#on(window, "online", () => this.#chat.server.hurry());
    this.#on(window, "beforeunload", (event) => {
      const isBusy = this.#chat.waiting || this.#files?.isBusy;
      if (isBusy) event.preventDefault();
    });
    this.#on(window, "pagehide", () => this.#files?.leave());
    this.#listenToDialog();
  }

  #listenToButtons(): void {
    const buttons: Readonly<Record<string, () => void>> = {
      "open-sidebar": () => this.#open("sidebar"),
      "open-people": () => this.#open("people"),
      "close-sidebar": () => this.#open(undefined),
      "close-people": () => this.#open(undefined),
      "scrim": () => this.#open(undefined),
      "send-files": () => this.#files?.pick(this.#chat.current.target),
      "leave": () => this.#chat.leave(this.#chat.current),
      "disconnect": () => this.#chat.logout(),
      "notify": () => this.#askToNotify(),
      "own": () => this.#signUp(),
      "own-cancel": () => byId("own-dialog", HTMLDialogElement).close(),
      "banner-button": () => {
        if (this.#chat.state === "ended") this.#close();
        else this.#chat.server.hurry();
      },
    };
    for (const [id, act] of Object.entries(buttons)) {
      this.#on(byId(id), "click", act);
    }
  }

  #listenToKeys(): void {
    this.#on(this.#text, "keydown", (event) => {
      const sends = event.key === "Enter" && !event.shiftKey;
      if (!sends || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#on(document, "keydown", (event) => {
      if (event.key === "Escape") this.#open(undefined);
      const step = event.altKey ? STEPS[event.key] : undefined;
      if (step === undefined) return;
      event.preventDefault();
      const all = this.#chat.sorted;
      const at = all.indexOf(this.#chat.current) + step;
      const next = all.at(at % all.length);
      if (next) this.#chat.show(next);
    });
  }

  #listenToDialog(): void {
    const dialog = byId("own-dialog", HTMLDialogElement);
    const first = byId("own-password", HTMLInputElement);
    const second = byId("own-repeat", HTMLInputElement);
    const submit = byId("own-submit", HTMLButtonElement);
    const problem = byId("own-error");
    this.#on(byId("own-form"), "submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      problem.hidden = true;
      try {
        checkRepeated(first, second);
        await this.#chat.signUp(first.value);
        first.value = second.value = "";
        dialog.close();
        toast(accountCreated(this.#chat.me));
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        problem.textContent = sanitize(inWords(error));
        problem.hidden = false;
      } finally {
        submit.disabled = false;
      }
    });
  }

  /** Shows the form that creates an account. */
  #signUp(): void {
    byId("own-name", HTMLInputElement).value = this.#chat.me;
    byId("own-dialog", HTMLDialogElement).showModal();
  }

  /** Sends what is typed, or runs it. */
  #send(): void {
    const text = this.#text.value;
    if (this.#chat.state === "ended") return;
    if (!runLine(this.#chat, text)) return;
    this.#text.value = "";
    this.#fitText();
    this.#messages.follow();
  }

  /** For browsers that do not fit the height by themselves. */
  #fitText(): void {
    this.#text.rows = Math.min(8, this.#text.value.split("\n").length);
  }

  /** Shows `panel` on a narrow screen; undefined: the messages. */
  #open(panel: Panel | undefined): void {
    const was = this.#root.dataset["open"];
    if (panel === undefined) delete this.#root.dataset["open"];
    else this.#root.dataset["open"] = panel;
    for (const one of ["sidebar", "people"]) {
      byId(`open-${one}`).ariaExpanded = `${one === panel}`;
    }
    if (panel === "sidebar") byId("close-sidebar").focus();
    if (panel === "people") {
      this.#chat.refreshPeople(this.#chat.current);
      byId("close-people").focus();
    }
    if (was && !panel) byId(`open-${was}`).focus();
  }

  /** The user came to the page, or went away. */
  #attend(): void {
    const chat = this.#chat;
    chat.attentive = !document.hidden && document.hasFocus();
    if (!chat.attentive) return;
    chat.server.hurry();
    if (this.#messages.atEnd) chat.see();
    chat.refreshRooms();
  }

  #announce(conversation: Conversation, entry: Entry, calls: boolean): void {
    const { current, attentive } = this.#chat;
    if (conversation !== current && !calls) return;
    const text = entry.text.slice(0, 300);
    const where = titleOf(conversation);
    const isElsewhere = conversation !== current;
    announce(`${entry.from}${isElsewhere ? ` ${where}` : ""}: ${text}`);
    if (!attentive && calls) {
      this.#notify(conversation, `${entry.from} ${where}`, text);
    }
  }

  #noted(conversation: Conversation, text: string): void {
    if (conversation === this.#chat.current) announce(text);
    else toast(text);
    if (this.#chat.attentive) return;
    this.#notify(conversation, `Files ${titleOf(conversation)}`, text);
  }

  #notify(conversation: Conversation, title: string, text: string): void {
    const show = () => this.#chat.show(conversation);
    notify(title, text, conversation.target, show);
  }

  async #askToNotify(): Promise<void> {
    await Notification.requestPermission();
    this.#schedule();
  }

  /** Draws soon, with everything that changes until then. */
  #schedule(): void {
    if (this.#drawing || this.#end.signal.aborted) return;
    this.#drawing = true;
    const draw = () => {
      this.#drawing = false;
      if (!this.#end.signal.aborted && this.#chat.wasRegistered) this.#draw();
    };
    // A hidden page gets no animation frames, but its title counts.
    if (document.hidden) setTimeout(draw);
    else requestAnimationFrame(draw);
  }

  #draw(): void {
    const chat = this.#chat;
    if (this.#root.hidden) this.#begin();
    if (this.#drawn !== chat.current) this.#switch();
    drawMe(chat);
    this.#sidebar.draw();
    this.#messages.draw();
    this.#files?.draw();
    this.#drawTop();
    this.#drawBanner();
    const { unread } = chat;
    document.title = unread > 0 ? `(${unread}) Parley` : "Parley";
    byId("elsewhere").hidden = unread === 0;
    byId("notify").hidden = !canAskToNotify();
    byId("own").hidden = !canUseAccounts || chat.signIn.owned;
    const rooms = chat.conversations.filter(({ kind }) => kind === "room");
    remember("sessionStorage", ROOMS, rooms.map(({ target }) => target));
  }

  /** Shows the chat for the first time, and joins the rooms. */
  async #begin(): Promise<void> {
    this.#form.hide();
    this.#root.hidden = false;
    this.#attend();
    const stored = recall("sessionStorage", ROOMS);
    const rooms = Array.isArray(stored) ? stored.map(String) : [];
    const [first = DEFAULT_ROOM, ...others] = rooms; // is shown, and so joined last
    for (const room of [...others, first]) await this.#chat.join(room);
  }

  /** Another conversation is shown, with what was typed there. */
  #switch(): void {
    const { current } = this.#chat;
    if (this.#drawn) this.#drawn.draft = this.#text.value;
    this.#text.value = current.draft;
    this.#fitText();
    this.#drawn = current;
    const isTyped = matchMedia("(pointer: fine)").matches;
    if (isTyped && !document.querySelector("dialog[open]")) this.#text.focus();
  }

  #drawTop(): void {
    const { current, state } = this.#chat;
    const { kind, target, members } = current;
    const name = nameOf(current);
    const subtitles = { all: "connected now", user: "private" };
    byId("title").textContent = name;
    byId("subtitle").textContent = kind === "room"
      ? peopleHere(members)
      : subtitles[kind];
    const takesFiles = this.#files && kind === "user";
    byId("send-files").hidden = !takesFiles || this.#chat.isMe(target);
    const leave = byId("leave");
    leave.hidden = kind === "all";
    leave.textContent = kind === "room" ? "Leave" : "Close";
    this.#text.placeholder = `Write to ${name}`;
    byId("send", HTMLButtonElement).disabled = state === "ended";
  }

  #drawBanner(): void {
    const { state, why } = this.#chat;
    const banner = byId("banner");
    banner.hidden = state === "connected" || state === "connecting";
    const isAway = state === "reconnecting";
    const text = `${sanitize(why)}.${isAway ? ` ${RECONNECTING}` : ""}`;
    const shown = byId("banner-text");
    if (shown.textContent !== text) shown.textContent = text;
    byId("banner-button").textContent = isAway
      ? "Try now"
      : "Back to the start";
  }

  /** Listens to events of `target` until the end. */
  #on<T extends keyof WindowEventMap | keyof DocumentEventMap>(
    target: EventTarget,
    type: T,
    listener: (event: (WindowEventMap & DocumentEventMap)[T]) => void,
  ): void {
    const { signal } = this.#end;
    // The cast: events of this type are what the map says.
    target.addEventListener(type, listener as EventListener, { signal });
  }
}

/** Alt and an arrow go to the next conversation, or the one before. */
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };
