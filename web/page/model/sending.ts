/**
 * An own message is settled once the server has answered: sent, or refused.
 *
 * @module
 */
import { numberOf, timeOf } from "../../../core/frames.ts";
import {
  ConnectionError,
  inWords,
} from "../../../core/net/connection_error.ts";
import type { Frame } from "../../../protocol.ts";
import type { Conversation, Entry } from "./conversation.ts";
import type { Watcher } from "./watcher.ts";

/** The chat that the message is of. */
interface Sender {
  readonly me: string;
  readonly current: Conversation;
  readonly watcher: Watcher;
}

/** Puts `entry` where it belongs, when `answer` is here, or says why it is not sent. */
export async function settle(
  chat: Sender,
  { conversation, entry, answer }: {
    readonly conversation: Conversation;
    readonly entry: Entry;
    readonly answer: Promise<Frame>;
  },
): Promise<void> {
  const { target, kind } = conversation;
  try {
    const sent = await answer;
    const at = timeOf(sent);
    const id = numberOf(sent, "id");
    conversation.settle(entry, { id, at, from: chat.me });
    if (kind === "user" && numberOf(sent, "recipients") === 0) {
      const gone = `${target} is away and gets this later`;
      conversation.noteGone(true, gone, at);
    }
  } catch (error) {
    const why = inWords(error as Error); // the cast: nothing else is thrown
    conversation.refuse(entry, why);
    if (error instanceof ConnectionError) return; // the banner tells it
    if (kind === "user") conversation.gone = true;
    if (conversation === chat.current) return; // where it can be seen
    chat.watcher.told(`Not sent to ${target}: ${why}`);
  } finally {
    chat.watcher.changed();
  }
}
