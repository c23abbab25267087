/**
 * What clients were shown against what is stored: each message once, in the order
 * of ids, as it is stored, everything that was for them, and nothing else.
 *
 * @module
 */
import type {
  History,
  Message,
  Receipt,
  Send,
  Session,
  Violation,
} from "./history.ts";
import { isNotStored, isPerhapsLate, same, shown, storyOf } from "./stored.ts";

/** The room that every two-socket client is in. */
const CLASSIC_ROOM = "#default";

/** What all sessions are compared with. */
interface Stored {
  readonly messages: readonly Message[];
  readonly byId: ReadonlyMap<number, Message>;
  readonly byText: ReadonlyMap<string, Message>;
  readonly sends: ReadonlyMap<string, Send>;
  /** Whether a disk was full: see `checkOrderOfSessions`. */
  readonly wasFull: boolean;
  readonly faults: History["faults"];
}

/** See the top of the file. Servers that differ are told by others. */
export function* checkReceived(history: History): Generator<Violation> {
  const [first] = history.servers;
  if (!first) return;
  const stored: Stored = {
    messages: first.messages,
    byId: new Map(first.messages.map((one) => [one.id, one])),
    // Of one that is stored twice, which others tell, the first.
    byText: new Map(first.messages.toReversed().map((one) => [one.text, one])),
    sends: new Map(history.sends.map((send) => [send.text, send])),
    wasFull: history.sends.some(isNotStored),
    faults: history.faults,
  };
  for (const session of history.sessions) {
    yield* checkReceipts(session, stored);
    if (session.kind === "classic") yield* checkClassic(session, stored);
    else yield* checkComplete(session, stored);
  }
  yield* checkAccounts(history, stored);
}

/** Once, in order, as it is stored, and for this client. */
function* checkReceipts(
  session: Session,
  { byId, byText, sends, wasFull, faults }: Stored,
): Generator<Violation> {
  const { key } = session;
  const seen = new Map<string, Receipt>();
  let newest: Receipt | undefined;
  let newestId = 0;
  for (const receipt of session.receipts) {
    const { from, to, text, at } = receipt;
    const message = receipt.id === undefined
      ? byText.get(text)
      : byId.get(receipt.id);
    const send = sends.get(text);
    const line: [number, string] = [at, `${key} was shown ${worded(receipt)}`];
    const story = [...send ? storyOf(send) : [], line];
    const twin = seen.get(text);
    seen.set(text, receipt);
    if (twin) {
      const before: [number, string] = [twin.at, `${key} was shown it before`];
      yield {
        rule: "received once",
        what: `${key} was shown ${shown(text)} twice`,
        story: [...story, before],
      };
      continue;
    }
    const isSame = message?.text === text && same(message.from, from) &&
      (to === undefined || same(message.to, to));
    if (!isSame) {
      yield {
        rule: "received as it is stored",
        what: `${key} was shown ${worded(receipt)}, stored is ${
          message ? worded(message) : "no such message"
        }`,
        story,
      };
      continue;
    }
    if (!isFor(session, message)) {
      yield {
        rule: "received by those it is for",
        what: `${key} was shown ${worded(message)}, which is not for it`,
        story,
      };
    }
    // What was stored has no place in the order; nor has what was refused first.
    const isOwn = send?.session === key;
    const isLate = isOwn &&
      (wasFull || isPerhapsLate(send, session, faults));
    if (receipt.stored || isLate) continue;
    if (newest && message.id < newestId) {
      yield {
        rule: "received in order",
        what: `${key} was shown ${worded(message)} after id ${newestId}`,
        story: [[newest.at, `${key} was shown ${worded(newest)}`], line],
      };
    } else {
      newest = receipt;
      newestId = message.id;
    }
  }
}

/** Whether `session` could be shown it at all. */
function isFor(session: Session, { from, to }: Message): boolean {
  if (to === "ALL" || same(to, session.name)) return true;
  if (session.kind === "classic") return same(to, CLASSIC_ROOM);
  return same(from, session.name) ||
    session.stays.some(({ room }) => same(room, to)) ||
    session.asked.some((room) => same(room, to));
}

/** Everything in the rooms it was in, to all, and to it. */
function* checkComplete(
  session: Session,
  { messages, sends }: Stored,
): Generator<Violation> {
  const { key, stays } = session;
  const ids = new Set(session.receipts.map(({ id }) => id));
  for (const message of messages) {
    const { id, to, text } = message;
    if (ids.has(id)) continue;
    const send = sends.get(text);
    const isOwn = send?.session === key;
    if (isOwn && send.outcome.kind !== "done") continue; // it was not told
    const stay = stays.find(({ room, after, upTo }) =>
      same(room, to) && after < id && id <= upTo
    );
    const isPersonal = to === "ALL" || same(to, session.name);
    // Its rooms it asks for again; the rest is lost with a resumable session.
    const isMissed = stay !== undefined ||
      isPersonal && session.after < id && id <= session.upTo &&
        session.forgotten.length === 0;
    if (!isMissed || isOwn && isPersonal) continue;
    yield {
      rule: "received by all it is for",
      what: `${key} (${session.kind}) was not shown ${worded(message)}, but ` +
        `was ${stay ? `in ${to}` : "registered"} from id ${
          stay?.after ?? session.after
        } to ${stay?.upTo ?? session.upTo}`,
      story: [
        ...send ? storyOf(send) : [],
        ...around(session, id),
      ],
    };
  }
}

/** What a session was shown before and after a message that it was not shown. */
function around(session: Session, id: number): [number, string][] {
  const { key, receipts, notes } = session;
  const before = receipts.findLast((one) => (one.id ?? id) < id);
  const after = receipts.find((one) => (one.id ?? id) > id);
  const shown = [before, after].filter((one) => one !== undefined)
    .map((
      one,
    ): [number, string] => [one.at, `${key} was shown ${worded(one)}`]);
  const until = after?.at ?? Infinity;
  const last = notes.filter(([at]) => at <= until).slice(-MAX_NOTES)
    .map(([at, text]): [number, string] => [at, `${key}: ${text}`]);
  return [...shown, ...last];
}

/** So many of the last notes are told. */
const MAX_NOTES = 8;

/** A two-socket client misses nothing between two messages that it got. */
function* checkClassic(
  session: Session,
  { messages, byText, sends }: Stored,
): Generator<Violation> {
  const { key, name, receipts } = session;
  const ids = receipts.flatMap(({ text }) => byText.get(text)?.id ?? []);
  const got = new Set(ids);
  const [first, last] = [Math.min(...ids), Math.max(...ids)];
  for (const message of messages) {
    const { id, from, text } = message;
    if (id <= first || id >= last || got.has(id)) continue;
    if (!isFor(session, message) || same(from, name)) continue;
    yield {
      rule: "received by all it is for",
      what: `${key} (classic) was not shown ${worded(message)}, but what was ` +
        `sent before and after it`,
      story: [
        ...sends.has(text) ? storyOf(sends.get(text)!) : [],
        ...receipts.filter((one) => [first, last].includes(idOf(one)))
          .map((one): [number, string] => [one.at, `${key}: ${worded(one)}`]),
      ],
    };
  }

  function idOf({ text }: Receipt): number {
    return byText.get(text)?.id ?? 0;
  }
}

/**
 * What was sent to an account, its owner was shown in one of his sessions, if
 * he is there in the end.
 */
function* checkAccounts(
  { sessions, signUps }: History,
  { messages, sends }: Stored,
): Generator<Violation> {
  for (const { name, outcome } of signUps) {
    if (outcome.kind !== "done") continue;
    const own = sessions.filter((one) => same(one.name, name));
    const last = own.at(-1);
    if (!last?.stayed || !last.owned) continue;
    const ids = new Set(
      own.flatMap(({ receipts }) => receipts).map(({ id }) => id),
    );
    for (const message of messages) {
      const send = sends.get(message.text);
      if (!send || !same(message.to, name) || ids.has(message.id)) continue;
      if (send.at < outcome.at || same(send.name, name)) continue;
      if (message.id > last.upTo) continue;
      yield {
        rule: "an account gets what was sent to it",
        what: `no session of ${name} was shown ${worded(message)}`,
        story: [
          [outcome.at, `${name} has an account`],
          ...storyOf(send),
        ],
      };
    }
  }
}

function worded({ id, from, to, text }: Message | Receipt): string {
  const number = id === undefined ? "" : `${id} `;
  return `${number}${from}${to === undefined ? "" : ` > ${to}`} ${shown(text)}`;
}
