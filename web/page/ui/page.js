// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page: the form to come in by, and then the chat, which other files draw.
 *
 * What a person can do with keyboard, pointer or voice is joined to the chat
 * here. It draws at most once a frame, however much arrives.
 *
 * @module
 */
import { canUseAccounts } from "../net/account.js";
import { Chat, FIRST_ROOM } from "../model/chat.js";
import { inWords } from "../net/connection.js";
import { byId } from "./dom.js";
import { Drops, keepPage } from "./drop.js";
import { checkRepeated, Form } from "./form.js";
import { MessageList, titleOf } from "./messages.js";
import { announce, canAskToNotify, notify, toast } from "./news.js";
import { runLine } from "../model/typed.ts";
import { settings } from "../model/settings.js";
import { drawMe, Sidebar } from "./sidebar.js";
import { line } from "./text.js";

/** @import { Conversation, Entry } from "../model/conversation.js" */
/** @import { Files } from "./files.js" */
/** @import { Goal } from "./form.js" */

/** @typedef {typeof import("./files.js")} FilesModule */

/** What carries files, with `--gui`. Whoever fills in the form does not wait for it. */
const loading = settings.local ? import("./files.js") : undefined;

keepPage();
const form = new Form(async (goal) => {
  let module;
  try {
    module = await loading;
  } catch (error) {
    return form.refuse(/** @type {Error} */ (error)); // the program has ended
  }
  new Visit(goal, module).run();
});
form.show();

/** Rooms that a reload of the page comes back to. */
const ROOMS = "parley-rooms";

/** From coming in to the end. */
class Visit {
  #chat;
  #sidebar;
  #messages;
  /** @type {Files | undefined} */
  #files;
  #end = new AbortController();
  #drawing = false;
  #text = byId("text", HTMLTextAreaElement);
  #root = byId("chat");
  /** @type {Conversation | undefined} */
  #drawn;
  /** What commands do beside the chat. */
  #more = { signUp: () => this.#signUp(), told: toast };

  /** @param {Goal} goal @param {FilesModule | undefined} module */
  constructor(goal, module) {
    this.#chat = new Chat({
      ...goal,
      watcher: {
        changed: () => this.#schedule(),
        said: (...news) => this.#announce(...news),
        noted: (...news) => this.#noted(...news),
        told: toast,
      },
    });
    if (module) {
      this.#files = new module.Files(this.#chat, () => this.#schedule());
      this.#chat.carrier = this.#files;
      byId("about-files").textContent = "Drop files on a name to send them.";
    }
    new Drops(this.#chat, this.#files, this.#end.signal);
    this.#sidebar = new Sidebar(this.#chat, () => this.#open(undefined));
    this.#messages = new MessageList(this.#chat, this.#end.signal);
    this.#listen();
  }

  /** Runs to the end, whichever it is. */
  async run() {
    const chat = this.#chat;
    try {
      await chat.run();
      if (chat.wasIn) this.#close();
      else form.show();
    } catch (error) {
      if (chat.wasIn) return; // what was said stays there to be read
      this.#end.abort();
      form.refuse(/** @type {Error} */ (error));
    }
  }

  /** Back to the form. */
  #close() {
    this.#end.abort();
    this.#root.hidden = true;
    document.title = "Parley";
    form.show();
  }

  #listen() {
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
      this.#say();
    });
    this.#on(this.#text, "input", () => this.#fitText());
    this.#on(document, "visibilitychange", () => this.#attend());
    this.#on(window, "focus", () => this.#attend());
    this.#on(window, "blur", () => this.#attend());
    this.#on(window, "online", () => this.#chat.hurry());
    this.#on(window, "beforeunload", (event) => {
      const isBusy = this.#chat.waiting || this.#files?.isBusy;
      if (isBusy) event.preventDefault();
    });
    this.#on(window, "pagehide", () => this.#files?.leave());
    this.#listenToDialog();
  }

  #listenToButtons() {
    /** @type {Record<string, () => void>} */
    const buttons = {
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
        if (this.#chat.state === "over") this.#close();
        else this.#chat.hurry();
      },
    };
    for (const [id, act] of Object.entries(buttons)) {
      this.#on(byId(id), "click", act);
    }
  }

  #listenToKeys() {
    this.#on(this.#text, "keydown", (event) => {
      const sends = event.key === "Enter" && !event.shiftKey;
      if (!sends || event.isComposing) return;
      event.preventDefault();
      this.#say();
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

  #listenToDialog() {
    const dialog = byId("own-dialog", HTMLDialogElement);
    const [first, second] = ["own-password", "own-repeat"].map((id) =>
      byId(id, HTMLInputElement)
    );
    const submit = byId("own-submit", HTMLButtonElement);
    const problem = byId("own-error");
    if (!first || !second) return;
    this.#on(byId("own-form"), "submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      problem.hidden = true;
      try {
        checkRepeated(first, second);
        await this.#chat.signUp(first.value);
        first.value = second.value = "";
        dialog.close();
        toast(`${this.#chat.me} is your account now`);
      } catch (error) {
        problem.textContent = line(inWords(/** @type {Error} */ (error)));
        problem.hidden = false;
      }
      submit.disabled = false;
    });
  }

  /** Shows the form of an account. */
  #signUp() {
    byId("own-name", HTMLInputElement).value = this.#chat.me;
    byId("own-dialog", HTMLDialogElement).showModal();
  }

  /** Sends what is typed. */
  #say() {
    const text = this.#text.value;
    if (text.trim() === "" || this.#chat.state === "over") return;
    if (!runLine(this.#chat, text, this.#more)) return;
    this.#text.value = "";
    this.#fitText();
    this.#messages.follow();
  }

  /** For browsers that do not do so by themselves. */
  #fitText() {
    this.#text.rows = Math.min(8, this.#text.value.split("\n").length);
  }

  /** @param {"sidebar" | "people" | undefined} panel The one to show on a narrow screen. */
  #open(panel) {
    const was = this.#root.dataset["open"];
    if (panel === undefined) delete this.#root.dataset["open"];
    else this.#root.dataset["open"] = panel;
    for (const one of ["sidebar", "people"]) {
      byId(`open-${one}`).setAttribute("aria-expanded", `${one === panel}`);
    }
    if (panel === "sidebar") byId("close-sidebar").focus();
    if (panel === "people") {
      this.#chat.refreshPeople(this.#chat.current);
      byId("close-people").focus();
    }
    if (was && !panel) byId(`open-${was}`).focus();
  }

  /** The person came to the page, or went away. */
  #attend() {
    const chat = this.#chat;
    chat.attentive = !document.hidden && document.hasFocus();
    if (!chat.attentive) return;
    chat.hurry();
    if (this.#messages.atEnd) chat.see();
    chat.refreshRooms();
  }

  /** @param {Conversation} conversation @param {Entry} entry @param {boolean} calls */
  #announce(conversation, entry, calls) {
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

  /** @param {Conversation} conversation @param {string} text */
  #noted(conversation, text) {
    if (conversation === this.#chat.current) announce(text);
    else toast(text);
    if (this.#chat.attentive) return;
    this.#notify(conversation, `Files ${titleOf(conversation)}`, text);
  }

  /** @param {Conversation} conversation @param {string} title @param {string} text */
  #notify(conversation, title, text) {
    const show = () => this.#chat.show(conversation);
    notify(title, { text, tag: conversation.target, show });
  }

  async #askToNotify() {
    await Notification.requestPermission();
    this.#schedule();
  }

  /** Draws soon, and everything that changes until then at once. */
  #schedule() {
    if (this.#drawing || this.#end.signal.aborted) return;
    this.#drawing = true;
    const draw = () => {
      this.#drawing = false;
      if (!this.#end.signal.aborted && this.#chat.wasIn) this.#draw();
    };
    // No frames are drawn of a page that is hidden, but its title counts.
    if (document.hidden) setTimeout(draw);
    else requestAnimationFrame(draw);
  }

  #draw() {
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
    byId("own").hidden = !canUseAccounts || chat.account.owned;
    keepRooms(chat.conversations);
  }

  /** We are in: shows the chat, and enters the rooms. */
  async #begin() {
    form.hide();
    this.#root.hidden = false;
    this.#attend();
    const [first = FIRST_ROOM, ...others] = keptRooms();
    for (const room of [...others, first]) await this.#chat.join(room);
  }

  /** Another conversation is shown, with what was typed there. */
  #switch() {
    const { current } = this.#chat;
    if (this.#drawn) this.#drawn.draft = this.#text.value;
    this.#text.value = current.draft;
    this.#fitText();
    this.#drawn = current;
    const isTyped = matchMedia("(pointer: fine)").matches;
    if (isTyped && !document.querySelector("dialog[open]")) this.#text.focus();
  }

  #drawTop() {
    const { current, state } = this.#chat;
    const { kind, target, members } = current;
    const name = line(target);
    byId("title").textContent = kind === "all" ? "Everybody" : name;
    byId("subtitle").textContent = kind === "all"
      ? "all who are connected"
      : kind === "user"
      ? "private"
      : `${members} inside`;
    const takesFiles = this.#files && kind === "user";
    byId("send-files").hidden = !takesFiles || this.#chat.isMe(target);
    const leave = byId("leave");
    leave.hidden = kind === "all";
    leave.textContent = kind === "room" ? "Leave" : "Close";
    this.#text.placeholder = kind === "all"
      ? "Write to everybody"
      : `Write ${kind === "room" ? "in" : "to"} ${name}`;
    byId("send", HTMLButtonElement).disabled = state === "over";
  }

  #drawBanner() {
    const { state, why } = this.#chat;
    const banner = byId("banner");
    banner.hidden = state === "in" || state === "coming";
    const text = state === "away"
      ? `${line(why)}. Coming back; what you write waits until then.`
      : `${line(why)}.`;
    const shown = byId("banner-text");
    if (shown.textContent !== text) shown.textContent = text;
    byId("banner-button").textContent = state === "away"
      ? "Try now"
      : "Back to the start";
  }

  /**
   * @template {keyof WindowEventMap | keyof DocumentEventMap} T
   * @param {EventTarget} target
   * @param {T} type
   * @param {(event: (WindowEventMap & DocumentEventMap)[T]) => void} listener
   */
  #on(target, type, listener) {
    const { signal } = this.#end;
    // The cast: events of this type are what the map says.
    const typed = /** @type {EventListener} */ (listener);
    target.addEventListener(type, typed, { signal });
  }
}

/** Alt and an arrow go to the next conversation, or the one before. @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/** @returns {string[]} The rooms of this tab; the one that is shown first. */
function keptRooms() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(ROOMS) ?? "[]");
    return Array.isArray(kept) ? kept.map(String) : [];
  } catch {
    return []; // a browser may keep nothing
  }
}

/** @param {readonly Conversation[]} conversations */
function keepRooms(conversations) {
  const rooms = conversations.filter(({ kind }) => kind === "room");
  try {
    const names = rooms.map(({ target }) => target);
    sessionStorage.setItem(ROOMS, JSON.stringify(names));
  } catch {
    // Then a reload comes back to the first room.
  }
}
