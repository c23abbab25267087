/**
 * What the server sends, in the page: what belongs into which conversation, and
 * what of it is news.
 *
 * @module
 */
import { type ChatMessage, numberOf, otherOf } from "../../../core/frames.ts";
import { inWords } from "../../../core/net/connection_error.ts";
import { isOver, roomNewsText } from "../../../core/rooms/private_rooms.ts";
import type { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { Nicks } from "../../../core/text/nicks.ts";
import type { DeclineLimit } from "../../../core/requests.ts";
import type { SessionView } from "../../../core/session_view.ts";
import { mentions } from "../../../core/text/marks.ts";
import {
  accountLost,
  connectedAgain,
  MISSED_DELETED,
  nickText,
  operatorNotice,
  RESTARTED,
  roleText,
} from "../../../core/text/sentences.ts";
import { header, isPrivateName } from "../../../protocol.ts";
import { takeCall } from "./calls.ts";
import type { Conversation } from "./conversation.ts";
import { type Conversations, MANY_USERS } from "./conversations.ts";
import type { Carrier, Watcher } from "./watcher.ts";

/** The chat that receives. */
interface Receiver {
  readonly me: string;
  readonly conversations: Conversations;
  readonly current: Conversation;
  readonly carrier: Carrier | undefined;
  readonly server: ReconnectingConnection;
  readonly watcher: Watcher;
  readonly declines: DeclineLimit;
  readonly nicks: Nicks;
  state: "connecting" | "connected" | "reconnecting" | "ended";
  why: string;
  lastSender: string | undefined;
  ignores(name: string): boolean;
  sees(conversation: Conversation): boolean;
  expelled(room: Conversation, error: unknown): void;
  joinedElsewhere(room: Conversation): void;
  leftElsewhere(room: Conversation): void;
  read(conversation: Conversation, id: number): void;
  refreshRooms(): Promise<void>;
  refresh(conversation: Conversation): void;
}

const MISSED_MORE = "More messages were sent than are shown here";

/** Handles each thing that the server sends; a batch is drawn once. */
export function viewOf(chat: Receiver): SessionView {
  const { changed, told } = chat.watcher;
  return {
    lost: (why) => {
      chat.state = "reconnecting";
      chat.why = `${why.message}.`; // no advice: the page itself reconnects
      changed();
    },
    refused: (why) => {
      chat.why = inWords(why);
      if (!chat.server.wasRegistered) told(`${chat.why} Trying again.`);
      changed();
    },
    registered: (_again, to) => {
      if (to !== undefined) told(connectedAgain(to), true);
      chat.state = "connected";
      chat.why = "";
      chat.carrier?.arrived();
      changed();
      chat.refreshRooms();
      chat.refresh(chat.current);
    },
    slowed: (text) => chat.current.note("event", text, { apart: true }),
    message: (message, request) => {
      if (!request) receive(chat, message); // send() places its own
    },
    presence: (presence, at) => {
      // A crowded room reports us, too.
      const news = (name: string) => name !== chat.me && !chat.ignores(name);
      const labelOf = (name: string) => chat.nicks.labelOf(name);
      chat.conversations.notePresence(presence, { news, labelOf, at });
    },
    role: (change) => {
      chat.conversations.setModerator(change.name, change.isModerator);
      if (change.isMe) told(roleText(change));
    },
    settings: async ({ name }, change) => {
      const { changeLines } = await import(
        "../../../core/rooms/settings_text.ts"
      );
      const room = chat.conversations.find("room", name);
      for (const line of changeLines(change, chat.me)) {
        room?.note("event", line, { apart: true });
      }
      changed();
    },
    nick: (change) => {
      const { name } = change;
      if (name === chat.me || chat.ignores(name)) return; // we are answered
      const text = nickText(change, chat.nicks.labelOf(name));
      for (const one of chat.conversations.list) {
        if (one.has(name)) one.note("event", text);
      }
    },
    notice: (text, at) => {
      const line = operatorNotice(text, at);
      chat.current.note("event", line, { apart: true }); // to be read later
      told(line);
    },
    roomNews: (news) => {
      const { by = "", kind, isMe } = news;
      if (kind === "invited" && isMe && chat.ignores(by)) return;
      const text = roomNewsText(news);
      const room = chat.conversations.find("room", news.room);
      if (room && kind === "owner") room.owner = news.user;
      if (room && isOver(news)) chat.expelled(room, new Error(text));
      else {
        (room ?? chat.current).note("event", text, { apart: true });
        if (isMe) told(text);
      }
      chat.refreshRooms();
    },
    call: (frame) => takeCall(chat, frame),
    joined: ({ name, since }, answer, again) => {
      // One that we make gets its name from the server.
      const room = chat.conversations.find("room", name) ??
        (isPrivateName(name) && !again
          ? chat.conversations.open("room", name)
          : undefined);
      if (!room) return;
      room.owner = header(answer, "owner") ?? "";
      room.members = numberOf(answer, "members") ?? (room.members || 1);
      if (again) return;
      room.target = name;
      room.since ||= since; // what a reload has missed is new
      if (room.unread === 0) room.newAfter = room.since;
      if (room === chat.current) chat.refresh(room);
    },
    moved: ({ name, since }, isIn, notice) => {
      const known = chat.conversations.find("room", name);
      if (!isIn) return known && chat.leftElsewhere(known);
      const room = known ?? chat.conversations.open("room", name);
      room.members = numberOf(notice, "members") ?? (room.members || 1);
      room.since ||= since;
      chat.joinedElsewhere(room);
    },
    read: (target, id) => {
      const kind = target === "ALL" ? "all" : kindOf(target);
      chat.conversations.find(kind, target)?.readTo(id);
      changed();
    },
    expelled: ({ name }, error) => {
      const room = chat.conversations.find("room", name);
      if (room) chat.expelled(room, error);
    },
    restarted: () => {
      for (const conversation of chat.conversations.list) {
        conversation.restart(0);
      }
      chat.conversations.noteGap("error", RESTARTED);
    },
    missedDeleted: () => chat.conversations.noteGap("event", MISSED_DELETED),
    missedMore: ({ name }) =>
      chat.conversations.find("room", name)?.note("event", MISSED_MORE),
    accountLost: () => told(accountLost(chat.me)),
  };
}

function kindOf(target: string): "room" | "user" {
  return target.startsWith("#") ? "room" : "user";
}

/** Puts a message where it belongs. */
function receive(chat: Receiver, message: ChatMessage): void {
  const { to, from } = message;
  const isPrivate = !to.startsWith("#") && to !== "ALL";
  const other = otherOf(message);
  const known = isPrivate && chat.conversations.find("user", other);
  if (isPrivate && !known && chat.ignores(from)) return;
  const conversation = to.startsWith("#")
    ? chat.conversations.find("room", to)
    : to === "ALL"
    ? chat.conversations.all
    : chat.conversations.open("user", other);
  if (!conversation) return;
  addMessage(chat, conversation, message);
  limit(chat);
}

/** Closes conversations over the limits. */
export function limit(chat: Receiver): void {
  for (const one of chat.conversations.limit(chat.current)) {
    chat.watcher.seen?.(one);
    if (one.unread > 0) chat.watcher.told(MANY_USERS, true);
  }
}

/** Adds a message; it is news unless it is ours or was sent before we joined. */
export function addMessage(
  chat: Receiver,
  conversation: Conversation,
  message: ChatMessage,
): void {
  const { id = 0, from, text, own } = message;
  const entry = conversation.add(message);
  if (!entry || own || chat.ignores(from)) return;
  if (conversation.kind === "user") {
    conversation.gone = false;
    chat.lastSender = from;
  }
  if (conversation.kind === "room" && id <= conversation.since) return;
  const calls = conversation.kind === "user" || mentions(text, chat.me);
  if (!chat.sees(conversation)) conversation.count(entry.place - 1, calls);
  else chat.read(conversation, id);
  chat.watcher.said(conversation, entry, calls);
}
