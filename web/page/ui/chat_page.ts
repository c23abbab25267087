/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The chat in the page. It connects the keyboard and the pointer with the chat,
 * and has other files draw it: at most once a frame, however much arrives.
 *
 * @module
 */
import { maySet } from "../../../core/rooms/room_settings.ts";
import { sanitize } from "../../../core/text/sanitize.ts";
import { canUseAccounts } from "../../../core/sign_in.ts";
import { RECONNECTING } from "../../../core/text/sentences.ts";
import { DEFAULT_ROOM, isPrivateName, lookAlike } from "../../../protocol.ts";
import { Chat } from "../model/chat.ts";
import type { Conversation } from "../model/conversation.ts";
import { readStored, restore, type Stored, storedOf } from "../model/stored.ts";
import { runLine } from "../model/typed.ts";
import type { OwnDeed, Watcher } from "../model/watcher.ts";
import { addressOf, homeOf, openSocket } from "../net/socket.ts";
import { byId } from "./dom.ts";
import { forget, recall, remember } from "../model/storage.ts";
import { takeDrops } from "./drop.ts";
import type { Files } from "./files.ts";
import type { Form, Goal } from "./form.ts";
import { labelParts, MessageList, nameOf } from "./messages.ts";
import {
  canAskToNotify,
  closeNotification,
  notify,
  tellNews,
  tellNoted,
  toast,
} from "./news.ts";
import { drawMe, peopleHere, Sidebar } from "./sidebar.ts";

/** The key under which a tab stores the state for the next page. */
const STORED = "parley-tab";

/** The key under which a browser stores the ignored names. */
const IGNORED = "parley-ignored";

/** The state that the last page in this tab has stored. */
export function stored(): Stored | undefined {
  const found = readStored(recall("sessionStorage", STORED));
  // Private messages go as soon as the session is over.
  if (found && !found.session) remember("sessionStorage", STORED, found);
  return found;
}

/** A panel that a narrow screen shows in front of the messages. */
type Panel = "sidebar" | "people";

/** The chat, from the first connection to the end. */
export class ChatPage {
  readonly #form: Form;
  readonly #chat: Chat;
  readonly #sidebar: Sidebar;
  readonly #messages: MessageList;
  readonly #files: Files | undefined;
  #own: import("./own.ts").OwnDialog | undefined;
  #nick: import("./nick.ts").NickDialog | undefined;
  readonly #end = new AbortController();
  #drawing = false;
  readonly #text = byId("text", HTMLTextAreaElement);
  readonly #privately = byId("privately", HTMLInputElement);
  readonly #root = byId("chat");
  #drawn: Conversation | undefined;
  readonly #url: URL;
  readonly #last: Stored | undefined; // of the last page in this tab
  #begun = false;
  #selected = 0; // where what is typed next begins
  #news: Parameters<Watcher["said"]>[] = []; // to be told with the next drawing

  /** @param carrier The module that carries files, if the page has one. */
  constructor(
    goal: Goal,
    form: Form,
    carrier: typeof import("./files.ts") | undefined,
  ) {
    this.#form = form;
    this.#url = goal.url;
    const found = stored();
    const isOurs = found && found.url === `${goal.url}` &&
      lookAlike(found.name) === lookAlike(goal.name);
    const last = this.#last = isOurs ? found : undefined;
    forget("sessionStorage", STORED); // a copy of the tab must not have it
    this.#chat = new Chat({
      ...goal,
      session: last?.session,
      dial: (signal, other) => openSocket(addressOf(goal.url, other), signal),
      home: homeOf(goal.url),
      watcher: {
        changed: () => this.#schedule(),
        said: (...news) => this.#news.push(news),
        seen: ({ target }) => closeNotification(target),
        ignored: (names) => remember("localStorage", IGNORED, names),
        noted: (...news) => tellNoted(this.#chat, ...news),
        told: (text, passing) => {
          if (this.#chat.server.wasRegistered) toast(text, passing);
          else form.tell(text);
        },
        own: (deed) => this.#openOwn(deed),
      },
    });
    if (carrier) {
      this.#files = new carrier.Files(this.#chat);
      this.#chat.carrier = this.#files;
      byId("about-files").textContent = "Drop files on a name to send them.";
    }
    const ignored = recall("localStorage", IGNORED);
    if (Array.isArray(ignored)) {
      ignored.forEach((one) => this.#chat.ignore(`${one}`, true));
    }
    if (last) restore(this.#chat, last);
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
      if (!chat.server.wasRegistered) return this.#form.show();
      forget("sessionStorage", STORED); // hidden after Disconnect, it stored it
      this.#close();
    } catch (error) {
      if (chat.server.wasRegistered) { // the messages stay there to be read
        if (!chat.attentive) notify(ENDED, chat.why, ENDED, () => {});
        return;
      }
      if (this.#last) remember("sessionStorage", STORED, this.#last);
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
      const isPrivate = this.#privately.checked ? " --private" : "";
      this.#chat.join(`${input.value}${isPrivate}`);
      this.#privately.checked = false;
      input.value = "";
      this.#open(undefined);
    });
    this.#on(byId("composer"), "submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#on(this.#text, "beforeinput", () => {
      this.#selected = this.#text.selectionStart;
    });
    this.#on(this.#text, "input", () => this.#type());
    this.#on(document, "visibilitychange", () => this.#attend());
    this.#on(window, "focus", () => this.#attend());
    this.#on(window, "blur", () => this.#attend());
    this.#on(window, "online", () => this.#chat.server.hurry());
    this.#on(window, "beforeunload", (event) => {
      const isBusy = this.#chat.conversations.waits || this.#files?.isBusy;
      if (isBusy || !this.#store()) event.preventDefault();
    });
    this.#on(window, "pagehide", () => {
      this.#store();
      this.#files?.leave();
      this.#files?.end();
    });
    this.#on(window, "pageshow", ({ persisted }) => {
      // The browser has kept the page, but not its connections.
      if (persisted && this.#chat.server.registered) this.#files?.arrived();
    });
  }

  #listenToButtons(): void {
    const buttons: Readonly<Record<string, () => void>> = {
      "open-sidebar": () => this.#open("sidebar"),
      "open-people": () => this.#open("people"),
      "close-sidebar": () => this.#open(undefined),
      "close-people": () => this.#open(undefined),
      "scrim": () => this.#open(undefined),
      "send-files": () => this.#files?.pick(this.#chat.current.target),
      "set-topic": () => {
        const { settings } = this.#chat;
        this.#offer(`/topic ${sanitize(settings?.topic ?? "")}`);
      },
      "set-quiet": () => {
        const word = this.#chat.settings?.quiet ? "off" : "on";
        runLine(this.#chat, `/quiet ${word}`, undefined);
      },
      "leave": () => this.#chat.leave(this.#chat.current),
      "disconnect": () => this.#chat.logout(),
      "notify": () => this.#askToNotify(),
      "own": () => this.#openOwn(this.#chat.signIn.owned ? "change" : "create"),
      "nick": () => this.#openNick(),
      "banner-button": () => {
        if (this.#chat.state !== "ended") return this.#chat.server.hurry();
        this.#store();
        this.#close();
      },
    };
    for (const [id, act] of Object.entries(buttons)) {
      this.#on(byId(id), "click", act);
    }
  }

  #listenToKeys(): void {
    this.#on(this.#text, "keydown", (event) => {
      const sends = event.key === "Enter" && !event.shiftKey && !isTouched();
      if (!sends || isComposing(event)) return;
      event.preventDefault();
      this.#send();
    });
    this.#on(document, "keydown", (event) => {
      if (isComposing(event)) return;
      if (event.key === "Escape") this.#open(undefined);
      const step = event.altKey ? STEPS[event.key] : undefined;
      if (step === undefined) return;
      event.preventDefault();
      const all = this.#chat.conversations.sorted;
      const at = all.indexOf(this.#chat.current) + step;
      const next = all.at(at % all.length);
      if (next) this.#chat.show(next);
    });
  }

  /** Takes what is typed into the conversation that is shown. */
  #type(): void {
    const { value, selectionEnd } = this.#text;
    const { lastSender } = this.#chat;
    const drawn = this.#drawn;
    drawn?.type(value, value.slice(this.#selected, selectionEnd));
    if (drawn && value !== "") drawn.begun ??= { lastSender };
    this.#selected = 0; // programs that type tell no beginning
    this.#chat.typed();
    this.#fitText();
  }

  /** Puts `text` where the user types, to be finished, unless something is there. */
  #offer(text: string): void {
    if (this.#text.value === "") {
      this.#text.value = text;
      this.#type();
    }
    this.#text.focus();
  }

  /** Sends what is typed, or runs it. */
  #send(): void {
    const chat = this.#chat;
    const text = this.#text.value;
    const drawn = this.#drawn;
    if (!drawn || chat.state === "ended") return;
    const { lastSender } = drawn.begun ?? chat;
    const isTaken = drawn.isPaste(text)
      ? chat.send(text, drawn)
      : runLine(chat, text, lastSender);
    if (!isTaken) return;
    this.#text.value = "";
    drawn.type("");
    this.#fitText();
    chat.atEnd = true;
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
    // Phones end a hidden page without a word.
    if (document.hidden) this.#store();
    else forget("sessionStorage", STORED);
    chat.attentive = !document.hidden && document.hasFocus();
    if (!chat.attentive) return;
    chat.server.hurry();
    chat.see();
    chat.refreshRooms();
  }

  /** Stores what the next page in this tab goes on with; false if it cannot. */
  #store(): boolean {
    const stored = storedOf(this.#chat, this.#url);
    return remember("sessionStorage", STORED, stored);
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
      const isOver = this.#end.signal.aborted;
      if (isOver || !this.#chat.server.wasRegistered) return;
      if (!this.#begun) this.#begin();
      if (!this.#root.hidden) this.#draw();
    };
    // A hidden page gets no animation frames, but its title counts.
    if (document.hidden) setTimeout(draw);
    else requestAnimationFrame(draw);
  }

  #draw(): void {
    const chat = this.#chat;
    if (this.#drawn !== chat.current) this.#switch();
    drawMe(chat);
    this.#sidebar.draw();
    this.#messages.draw();
    this.#drawTop();
    this.#drawSettings();
    this.#drawBanner();
    tellNews(chat, this.#news.splice(0));
    const { unread } = chat.conversations;
    const count = unread > 0 ? `(${unread}) ` : "";
    document.title = `${count}${chat.isAway ? "Offline – " : ""}Parley`;
    byId("elsewhere").hidden = unread === 0;
    byId("notify").hidden = !canAskToNotify();
    const own = byId("own");
    own.hidden = !canUseAccounts;
    own.textContent = chat.signIn.owned
      ? "Change the password"
      : "Create an account";
    byId("privately-field").hidden = !chat.signIn.owned;
  }

  /** Joins the rooms, and shows the chat when the user can write to the first. */
  async #begin(): Promise<void> {
    this.#begun = true;
    const chat = this.#chat;
    const rooms = chat.conversations.sorted.filter(({ kind }) =>
      kind === "room"
    );
    const [first = DEFAULT_ROOM, ...others] = rooms.map(({ target }) => target);
    // Rooms of another device are there too, but none of them is shown yet.
    const isRestored = this.#last !== undefined && rooms.length > 0;
    await chat.join(first, { quietly: isRestored });
    this.#form.hide();
    this.#root.hidden = false;
    this.#attend();
    this.#schedule();
    await Promise.all(others.map((one) => chat.join(one, { quietly: true })));
  }

  /** Another conversation is shown, with what was typed there. */
  #switch(): void {
    const { current } = this.#chat;
    this.#text.value = current.draft;
    this.#fitText();
    this.#drawn = current;
    if (!isTouched() && !document.querySelector("dialog[open]")) {
      this.#text.focus();
    }
  }

  #drawTop(): void {
    const { current, state } = this.#chat;
    const { kind, target, members, gone } = current;
    const name = nameOf(current, this.#chat.nicks);
    const subtitles = {
      all: "connected now",
      user: gone ? "private, away" : "private",
    };
    byId("title").replaceChildren(
      ...kind === "user" ? labelParts(name, target) : [name],
    );
    const isPrivate = kind === "room" && isPrivateName(target);
    byId("title").classList.toggle("locked", isPrivate);
    byId("subtitle").textContent = kind === "room"
      ? (isPrivate ? "private, " : "") + peopleHere(members)
      : subtitles[kind];
    const takesFiles = this.#files && kind === "user";
    byId("send-files").hidden = !takesFiles || this.#chat.isMe(target);
    const leave = byId("leave");
    leave.hidden = kind === "all";
    leave.textContent = kind === "room" ? "Leave" : "Close";
    this.#text.placeholder = `Write to ${name}`;
    byId("send", HTMLButtonElement).disabled = state === "ended";
  }

  async #openOwn(deed: OwnDeed): Promise<void> {
    const { signal } = this.#end;
    this.#own ??= await import("./own.ts").then(
      ({ OwnDialog }) => new OwnDialog(this.#chat, signal),
      notLoaded,
    );
    this.#own?.open(deed);
  }

  async #openNick(): Promise<void> {
    const { signal } = this.#end;
    this.#nick ??= await import("./nick.ts").then(
      ({ NickDialog }) => new NickDialog(this.#chat, signal),
      notLoaded,
    );
    this.#nick?.open();
  }

  /** The module is loaded with the first room that has something to show. */
  async #drawSettings(): Promise<void> {
    const { isModerator, me: name, settings } = this.#chat;
    const isPlain = !settings?.quiet && !settings?.topic &&
      !(settings && maySet(settings, { name, isModerator }));
    if (isPlain && byId("about-room").hidden && byId("quiet").hidden) return;
    const { drawSettings } = await import("./room_settings.ts");
    drawSettings(this.#chat);
  }

  #drawBanner(): void {
    const { state, why } = this.#chat;
    const banner = byId("banner");
    banner.hidden = !this.#chat.isAway;
    const isAway = state === "reconnecting";
    const text = `${sanitize(why)} ${isAway ? RECONNECTING : ""}`.trim();
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

/** Whether the keyboard is on a screen, where Enter makes a line. */
function isTouched(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

/** Whether a key belongs to an input method; Safari tells it by 229 alone. */
function isComposing({ isComposing, keyCode }: KeyboardEvent): boolean {
  return isComposing || keyCode === 229;
}

/** A browser may not ask again for a script that did not come. */
function notLoaded(): undefined {
  toast("Cannot open it: the server did not send the dialog. Reload the page");
}

const ENDED = "Parley is disconnected";

/** Alt and an arrow go to the next conversation, or the one before. */
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };
