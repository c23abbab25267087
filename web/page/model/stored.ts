/**
 * The state that a tab stores when its page goes away, for the next page: the
 * session, private messages, which no server gives twice, and what was typed.
 * A session that has ended leaves only what its user typed, and a user who
 * disconnects leaves nothing: others may use the same computer.
 *
 * @module
 */
import type { Resumable } from "../../../core/session/resumable.ts";
import type { Chat } from "./chat.ts";
import type { Conversation, Entry } from "./conversation.ts";

/** As long as a server keeps a session, in milliseconds. */
const STORED_MS = 5 * 60_000;

/** Limit of stored characters of messages; browsers store some millions. */
const MAX_CHARACTERS = 1_000_000;

/** See the top of the file. */
export interface Stored {
  /** The time of storing, in milliseconds since the epoch. */
  readonly at: number;
  readonly name: string;
  /** The address of the WebSocket. */
  readonly url: string;
  /** Whether the name has an account. */
  readonly owned: boolean;
  /** The session; undefined if it has ended. */
  readonly session: Resumable | undefined;
  /** The place of the conversation that was shown; -1 for all users. */
  readonly shown: number;
  readonly conversations: readonly StoredConversation[];
}

/** A conversation, with the messages that no server has. */
interface StoredConversation extends Pick<Conversation, Lasting> {
  readonly entries: readonly Entry[];
}

type Lasting = "kind" | "target" | Typed | "unread" | "called" | "newAfter";

type Typed = "draft" | "pasted" | "begun";

/** The state of `chat` that is stored. */
export function storedOf(chat: Chat, url: URL): Stored {
  let left = MAX_CHARACTERS;
  const conversations = chat.conversations.sorted.map(
    (one): StoredConversation => {
      const { kind, target, unread, called, newAfter } = one;
      const { draft, pasted, begun } = one;
      const entries = one.entries
        .filter((entry) =>
          kind === "user" && entry.kind === "message" || isUnsent(entry)
        )
        .reverse().filter(({ text }) => (left -= text.length) >= 0).reverse();
      const typed = { draft, pasted, begun };
      return { kind, target, ...typed, unread, called, newAfter, entries };
    },
  );
  const stored = {
    at: Date.now(),
    name: chat.me,
    url: `${url}`,
    owned: chat.signIn.owned,
    session: chat.resumable,
    shown: chat.conversations.sorted.indexOf(chat.current),
    conversations,
  };
  return chat.state === "ended" ? typedOf(stored) : stored;
}

/** The stored state, if `found` is that; after the session, only typed text. */
export function readStored(found: unknown): Stored | undefined {
  if (!(found instanceof Object && "conversations" in found)) return undefined;
  const stored = found as Stored; // the cast: only this page stores it
  return Date.now() - stored.at < STORED_MS ? stored : typedOf(stored);
}

/** Keeps only the texts that the user has typed, and where. */
function typedOf(stored: Stored): Stored {
  const conversations = stored.conversations.map((one) => {
    const entries = one.entries.filter(isUnsent);
    return { ...one, entries, unread: 0, called: false };
  });
  return { ...stored, session: undefined, conversations };
}

/** Whether it is a message of the user that the server does not have. */
function isUnsent({ kind, id }: Entry): boolean {
  return kind === "message" && id === undefined;
}

/** Gives a new chat what was stored; its rooms are still to be joined. */
export function restore(
  chat: Chat,
  { conversations, session, shown }: Stored,
): void {
  const restored = conversations.map(({ entries, ...rest }) => {
    const { kind, target, draft } = rest;
    // Nothing is left of it, once the session has ended.
    if (kind === "user" && !draft && entries.length === 0) return undefined;
    const one = chat.conversations.open(kind, target);
    for (const { at: time, place, ...entry } of entries) {
      const at = new Date(time);
      if (entry.id) one.add({ ...entry, at });
      else {
        const why = entry.why ?? NO_ANSWER;
        // JSON has null for Infinity. The message of that place comes later, and
        // belongs above this one.
        const above = place ?? session?.last ?? 0;
        one.refuse(one.addOwn(entry.text, at), why, above + 0.5);
      }
    }
    return Object.assign(one, rest, { since: session?.last ?? 0 });
  });
  const current = restored[shown];
  if (current) chat.show(current);
}

const NO_ANSWER = "The page was reloaded before the server answered";
