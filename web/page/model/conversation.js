// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * One conversation: a room, a person, or everybody. What was said in it, each
 * message once and in the order of the ids, however it came.
 *
 * A message of ours that is not answered yet has no id; it stands at the end.
 * What is no message (who came, who went) stays where it was when it came. Ids
 * may begin anew with another server; what is here then stays above.
 *
 * @module
 */

/** So many entries are kept; older ones are asked for again. */
export const MAX_KEPT = 5_000;

/** And of their texts so many characters; the last message is always kept. */
export const MAX_KEPT_CHARACTERS = 16_000_000;

/**
 * @typedef {object} Entry Something that is shown in a conversation.
 * @property {"message" | "event" | "error" | "answer"} kind
 * @property {number | undefined} id Of a message that the server has.
 * @property {number} place What the order goes by.
 * @property {Date} at
 * @property {string} from Who said it; empty for what nobody said.
 * @property {string} text
 * @property {boolean} own
 * @property {string} [why] Why it was not sent, if it was refused.
 * @property {string[]} [folded] Events that are told in one line.
 */

/**
 * @typedef {Pick<Entry, "at" | "from" | "text" | "own"> & { id: number }} Said
 * A message as the server gives it.
 */

/** See the top of the file. */
export class Conversation {
  /** What SEND names: `#room`, a user, or `ALL`. @type {string} */
  target;
  /** @type {"room" | "user" | "all"} */
  kind;
  /** In the order in which they are shown. @type {Entry[]} */
  entries = [];
  /** Who is in it, by names in lower case. @type {Map<string, string>} */
  people = new Map();
  /** How many are in it, as the server says. */
  members = 0;
  /** How many messages were not seen yet. */
  unread = 0;
  /** Whether one of them is for us. */
  called = false;
  /** What comes after this place is new. @type {number | undefined} */
  newAfter = undefined;
  /** What is newer is ours to hear; see Joined in core/resume.ts. */
  since = 0;
  /** Whether the server has nothing older. */
  complete = false;
  /** What is typed and not sent. */
  draft = "";
  /** @type {Set<number>} */
  #known = new Set();
  #base = 0; // what is added to ids to give places
  #droppedTo = 0; // messages up to this id are no longer kept
  #characters = 0; // of the messages

  /**
   * @param {"room" | "user" | "all"} kind
   * @param {string} target
   */
  constructor(kind, target) {
    this.kind = kind;
    this.target = target;
  }

  /** Whether the message with this id is here, or was. @param {number} id */
  knows(id) {
    return this.#known.has(id) || id <= this.#droppedTo;
  }

  /** The smallest id that is kept. @returns {number | undefined} */
  get oldest() {
    const isOfNow = (/** @type {Entry} */ { id, place }) =>
      id !== undefined && place === this.#base + id;
    return this.entries.find(isOfNow)?.id;
  }

  /** Whether something of ours has no place yet. */
  get waits() {
    return this.entries.at(-1)?.place === Infinity;
  }

  /** The place of what comes last of all that has one. */
  get end() {
    const last = this.entries.findLast(({ place }) => place < Infinity);
    return last?.place ?? this.#base;
  }

  /**
   * Takes what was said.
   *
   * @param {Said} said
   * @param {{ earlier?: boolean }} [options] `earlier` if it was asked for.
   * @returns {Entry | undefined} None if it is known.
   */
  add(said, { earlier = false } = {}) {
    if (earlier ? this.#known.has(said.id) : this.knows(said.id)) return;
    /** @type {Entry} */
    const entry = { ...said, kind: "message", place: this.#base + said.id };
    this.#known.add(said.id);
    this.#insert(entry);
    if (!earlier) this.#dropOld();
    return entry;
  }

  /** Takes what we say: it has no place yet. @param {string} text */
  addOwn(text) {
    /** @type {Entry} */
    const entry = {
      kind: "message",
      id: undefined,
      place: Infinity,
      at: new Date(),
      from: "",
      text,
      own: true,
    };
    this.#insert(entry);
    return entry;
  }

  /**
   * Puts what we said where it belongs, now that the server has it. It may have
   * come another way as well: what one says to oneself does.
   *
   * @param {Entry} entry
   * @param {Pick<Said, "id" | "at" | "from">} sent
   */
  settle(entry, { id, at, from }) {
    this.#remove(entry);
    if (this.knows(id)) return;
    this.#known.add(id);
    Object.assign(entry, { id, at, from, place: this.#base + id });
    this.#insert(entry);
    this.#dropOld();
  }

  /** Says that it was not sent. @param {Entry} entry @param {string} why */
  refuse(entry, why) {
    this.#remove(entry);
    Object.assign(entry, { why, place: this.end });
    this.#insert(entry);
  }

  /**
   * Takes who came or went, what went wrong, or what a command found out. Events
   * that follow each other are one entry, unless they are to stand apart.
   *
   * @param {"event" | "error" | "answer"} kind
   * @param {string} text
   * @param {{ apart?: boolean }} [options]
   */
  note(kind, text, { apart = false } = {}) {
    const last = this.entries.findLast(({ place }) => place < Infinity);
    const folds = kind === "event" && !apart;
    if (folds && last?.folded) {
      last.folded = [...last.folded.slice(1 - MAX_FOLDED), text];
      last.text = last.folded.join(" · ");
      return;
    }
    /** @type {Entry} */
    const entry = {
      kind,
      id: undefined,
      place: this.end,
      at: new Date(),
      from: "",
      text,
      own: false,
    };
    if (folds) entry.folded = [text];
    this.#insert(entry);
    this.#dropOld();
  }

  /**
   * Counts something that was not seen.
   *
   * @param {number} after What is after that place is new.
   * @param {boolean} calls Whether it is for us above all.
   */
  count(after, calls) {
    if (this.unread === 0) this.newAfter = after;
    this.unread++;
    this.called ||= calls;
  }

  /** Ids begin anew; `since` is the one before ours. @param {number} since */
  restart(since) {
    this.#base = this.end;
    this.#known.clear();
    this.#droppedTo = 0;
    this.since = since;
    this.complete = true; // what is above, that server does not know
  }

  /** @param {Entry} entry */
  #insert(entry) {
    let at = this.entries.length;
    while (at > 0 && (this.entries[at - 1]?.place ?? 0) > entry.place) at--;
    this.entries.splice(at, 0, entry);
    this.#characters += lengthOf(entry);
  }

  /** @param {Entry} entry */
  #remove(entry) {
    const at = this.entries.indexOf(entry);
    if (at < 0) return;
    this.entries.splice(at, 1);
    this.#characters -= lengthOf(entry);
  }

  #dropOld() {
    while (
      this.entries.length > MAX_KEPT ||
      (this.#characters > MAX_KEPT_CHARACTERS && this.entries.length > 1)
    ) {
      const [oldest] = this.entries;
      if (!oldest || oldest.place === Infinity) return; // still to be sent
      this.#remove(oldest);
      const { id } = oldest;
      if (id === undefined) continue;
      this.#known.delete(id);
      this.#droppedTo = Math.max(this.#droppedTo, id);
      this.complete = false;
    }
  }
}

/** What counts of an entry; what folds changes, and is short. @param {Entry} entry */
function lengthOf({ kind, text }) {
  return kind === "message" ? text.length : 0;
}

/** So many events are told in one line, the last ones. */
const MAX_FOLDED = 8;
