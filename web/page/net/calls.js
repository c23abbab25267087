// @ts-check
/**
 * What others ask of us directly: CALL, ACCEPT and DECLINE. The page itself can
 * listen nowhere, and says so. What is about files goes to whoever carries them,
 * if there is somebody.
 *
 * @module
 */
import { header } from "../../../protocol.ts";

/** @import { Frame } from "../../../protocol.ts" */
/** @import { Chat } from "../model/chat.js" */
/** @import { Line } from "./line.js" */

/**
 * @typedef {object} Carrier Who carries files.
 * @property {() => void} arrived We are in, perhaps again.
 * @property {(frame: Frame) => boolean} take Takes a frame, unless it cannot now.
 * @property {() => void} leave The visit is about to end.
 * @property {() => void} end The visit is over.
 */

/** What may come. */
const VERBS = new Set(["CALL", "ACCEPT", "DECLINE"]);

/** So many calls that ring are known, the newest. */
const MAX_RINGING = 100;

/**
 * The calls that ring, ours and those of others. Nobody but the page can say
 * that they are over when it goes: who answers them has no other way to the
 * server.
 */
export class Ringing {
  /** Who is called, or calls, by session. @type {Map<string, string>} */
  #names = new Map();

  /** Takes note of what is asked or passed on. @param {string} verb @param {string} name @param {string} session */
  note(verb, name, session) {
    if (verb === "CALL") this.#names.set(session, name);
    else this.#names.delete(session);
    const [oldest = ""] = this.#names.keys();
    if (this.#names.size > MAX_RINGING) this.#names.delete(oldest);
  }

  /** Says no to all of them. @param {Chat} chat */
  declineAll(chat) {
    for (const [Session, name] of this.#names) {
      chat.ask("DECLINE", [name], { Session, Reason: "left" })
        .catch(() => {}); // the other one may be gone
    }
    this.#names.clear();
  }
}

/** Whether it is for {@linkcode takeCall}. @param {Frame} frame */
export function isCall({ verb }) {
  return VERBS.has(verb);
}

/**
 * Has it carried, or declines it at once; then the person is told as well.
 *
 * @param {Frame} frame
 * @param {object} parts
 * @param {Carrier | undefined} parts.carrier
 * @param {Line} parts.line
 * @param {(text: string) => void} parts.told
 */
export function takeCall(frame, { carrier, line, told }) {
  const [caller = ""] = frame.args;
  const isForChat = frame.verb === "CALL" &&
    header(frame, "purpose") !== "file";
  if (!isForChat && carrier?.take(frame)) return;
  const answer = answerTo(frame, isForChat);
  if (!answer) return;
  line.request("DECLINE", [caller], {
    Session: header(frame, "session") ?? "",
    Reason: answer.reason,
  }).catch(() => {}); // the other one may be gone
  if (answer.told !== undefined) told(`${caller} ${answer.told}`);
}

/**
 * What the other one is told, and the person.
 *
 * @param {Frame} frame
 * @param {boolean} isForChat
 * @returns {{ reason: string, told?: string } | undefined} Nothing to a DECLINE.
 */
function answerTo({ verb }, isForChat) {
  if (verb === "DECLINE") return undefined;
  if (verb === "ACCEPT") return { reason: "there is no such call" };
  return isForChat
    ? {
      reason: "uses the page, which takes no direct sessions",
      told: "called you, but the page takes no direct sessions",
    }
    : {
      reason: "uses the page, which takes no files",
      told: "has files for you, which the page cannot take",
    };
}
