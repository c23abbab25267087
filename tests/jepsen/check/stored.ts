/**
 * What servers store against what clients were answered: each message that was
 * answered SENT is there once, others at most once, nothing is there that nobody
 * sent, the order agrees with the answers, and all servers have the same.
 *
 * @module
 */
import type {
  History,
  Message,
  Send,
  ServerState,
  Session,
  Violation,
} from "./history.ts";

/** The lines of a story that tell what became of a message that was sent. */
export function storyOf(
  { session, name, to, text, at, outcome }: Send,
): [number, string][] {
  const asked: [number, string] = [
    at,
    `${session} as ${name}: SEND ${to} ${shown(text)}`,
  ];
  if (outcome.kind === "unknown") return [asked];
  const answer = outcome.kind === "done"
    ? `SENT${outcome.id === undefined ? "" : ` with id ${outcome.id}`}`
    : `ERROR ${outcome.code}`;
  return [asked, [outcome.at, `${session}: ${answer} for ${shown(text)}`]];
}

/** The first word of a text, which no other text of the run begins with. */
export function shown(text: string): string {
  return `"${text.split(" ", 1)[0]}"`;
}

/** See the top of the file. */
export function* checkStored(history: History): Generator<Violation> {
  const sends = new Map(history.sends.map((send) => [send.text, send]));
  // With its session, the server forgets the keys of what it is sent again.
  const forgotten = new Set(
    history.sessions.filter((one) => one.forgotten.length > 0)
      .map(({ key }) => key),
  );
  for (const server of history.servers) {
    yield* checkIds(server);
    yield* checkEach(server, history.sends, sends, forgotten);
    yield* checkRooms(server);
  }
  const [first, ...others] = history.servers;
  for (const other of others) yield* checkSame(first!, other);
  if (first) {
    yield* checkOrderOfAnswers(first, sends);
    yield* checkOrderOfSessions(first, history);
  }
}

/** Ids rise. */
function* checkIds({ name, messages }: ServerState): Generator<Violation> {
  for (let i = 1; i < messages.length; i++) {
    const [before, after] = [messages[i - 1]!, messages[i]!];
    if (before.id < after.id) continue;
    yield {
      rule: "ids rise",
      what: `${name} stores id ${after.id} behind id ${before.id}`,
      story: [],
    };
  }
}

/** What was answered SENT is there once; all else at most once, and was sent. */
function* checkEach(
  { name, messages }: ServerState,
  sends: readonly Send[],
  byText: ReadonlyMap<string, Send>,
  forgotten: ReadonlySet<string>,
): Generator<Violation> {
  const found = new Map<string, Message>();
  for (const message of messages) {
    const { id, from, to, text } = message;
    const send = byText.get(text);
    const twin = found.get(text);
    if (!twin) found.set(text, message);
    const ids = twin ? `${twin.id} and ${id}` : `${id}`;
    const story = send ? storyOf(send) : [];
    if (!send) {
      yield {
        rule: "nobody else writes",
        what: `${name} stores ${shown(text)} from ${from} to ${to} with id ` +
          `${id}, which nobody sent`,
        story,
      };
    } else if (twin) {
      yield {
        rule: "stored once",
        what: `${name} stores ${shown(text)} twice, with the ids ${ids}`,
        story,
      };
    } else if (!same(send.name, from) || !same(send.to, to)) {
      yield {
        rule: "stored as it was sent",
        what: `${name} stores ${shown(text)} from ${from} to ${to}`,
        story,
      };
    } else if (
      send.outcome.kind === "refused" && !forgotten.has(send.session)
    ) {
      yield {
        rule: "refused means not stored",
        what: `${name} stores ${shown(text)} with id ${id}, although it was ` +
          `refused with ${send.outcome.code}`,
        story,
      };
    }
  }
  for (const send of sends) {
    if (send.outcome.kind !== "done") continue;
    const { id } = send.outcome;
    const message = found.get(send.text);
    if (message && (id === undefined || message.id === id)) continue;
    yield {
      rule: "SENT means stored",
      what: message
        ? `${name} stores ${shown(send.text)} with id ${message.id}, ` +
          `and answered ${id}`
        : `${name} does not store ${shown(send.text)}, which was answered SENT`,
      story: storyOf(send),
    };
  }
}

/** HISTORY gives what is stored. */
function* checkRooms(
  { name, messages, rooms }: ServerState,
): Generator<Violation> {
  for (const [room, given] of rooms) {
    const stored = messages.filter(({ to }) => same(to, room));
    const difference = firstDifference(stored, given);
    if (difference === undefined) continue;
    yield {
      rule: "HISTORY gives what is stored",
      what: `${name} differs in ${room}: ${difference}`,
      story: [],
    };
  }
}

/** All servers have the same messages in the same order, and the same log. */
function* checkSame(
  one: ServerState,
  other: ServerState,
): Generator<Violation> {
  if (one.hash !== other.hash) {
    yield {
      rule: "all servers read the same",
      what: `${one.name} has the hash ${one.hash}, ${other.name} ${other.hash}`,
      story: [],
    };
  }
  const difference = firstDifference(one.messages, other.messages);
  if (difference === undefined) return;
  yield {
    rule: "all servers store the same",
    what: `${one.name} and ${other.name} differ: ${difference}`,
    story: [],
  };
}

/** Where two lists of messages part, in words; undefined if they do not. */
function firstDifference(
  one: readonly Message[],
  other: readonly Message[],
): string | undefined {
  const length = Math.max(one.length, other.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [worded(one[i]), worded(other[i])];
    if (left !== right) {
      return `number ${i + 1} of ${one.length} is ${left}, ` +
        `of ${other.length} it is ${right}`;
    }
  }
  return undefined;
}

function worded(message: Message | undefined): string {
  if (!message) return "missing";
  const { id, from, to, text } = message;
  return `${id} ${from} > ${to} ${shown(text)} (${text.length} characters)`;
}

/**
 * A message that was answered before another was sent, by whomever, has the
 * smaller id.
 */
function* checkOrderOfAnswers(
  { messages }: ServerState,
  byText: ReadonlyMap<string, Send>,
): Generator<Violation> {
  const known = Array.from(firstIds(messages), ([text, id]) => {
    const send = byText.get(text);
    return send ? [{ id, send }] : [];
  }).flat();
  const answered = known.flatMap(({ id, send }) =>
    send.outcome.kind === "done" ? [{ id, send, at: send.outcome.at }] : []
  ).sort((a, b) => a.at - b.at);
  let next = 0;
  let newest: (typeof answered)[number] | undefined;
  for (const { id, send } of known.sort((a, b) => a.send.at - b.send.at)) {
    for (; answered[next] && answered[next]!.at < send.at; next++) {
      if (answered[next]!.id > (newest?.id ?? 0)) newest = answered[next];
    }
    if (!newest || newest.id < id) continue;
    yield {
      rule: "the order agrees with the answers",
      what: `${shown(send.text)} has id ${id}, but was sent after ` +
        `${shown(newest.send.text)} with id ${newest.id} was answered`,
      story: [...storyOf(newest.send), ...storyOf(send)],
    };
  }
}

/**
 * Messages of one session have the order in which it sent them. The answer that
 * refused the first of two may have been lost, with its connection: then it was
 * stored later, behind the second. One that was refused since it could not be
 * stored is sent again on the same connection, too.
 */
function* checkOrderOfSessions(
  { messages }: ServerState,
  { sends, sessions, faults }: History,
): Generator<Violation> {
  if (sends.some(isNotStored)) return;
  const byKey = new Map(sessions.map((session) => [session.key, session]));
  const ids = firstIds(messages);
  const last = new Map<string, Send>();
  for (const send of sends.toSorted((a, b) => a.at - b.at)) {
    const id = ids.get(send.text);
    if (id === undefined) continue;
    const before = last.get(send.session);
    last.set(send.session, send);
    const idBefore = before && ids.get(before.text)!;
    if (idBefore === undefined || idBefore < id) continue;
    if (isPerhapsLate(before!, byKey.get(send.session), faults)) continue;
    yield {
      rule: "a session's messages keep their order",
      what: `${shown(send.text)} of ${send.session} has id ${id}, and ` +
        `${shown(before!.text)} before it has ${idBefore}`,
      story: [...storyOf(before!), ...storyOf(send)],
    };
  }
}

/**
 * Whether a message can have been refused at first, and stored later: its session
 * lost its connection before the answer, and with it perhaps a refusal.
 */
export function isPerhapsLate(
  { to, at, outcome }: Send,
  session: Session | undefined,
  faults: History["faults"],
): boolean {
  const isToRoom = to === "ALL" || to.startsWith("#");
  const isStorageSure = !faults.some(({ what }) => /^(disk|nats-)/.test(what));
  if (isToRoom && isStorageSure) return false; // a user may not be there
  const until = outcome.kind === "unknown" ? Infinity : outcome.at;
  return session?.notes.some(([when, text]) =>
    text.startsWith("lost:") && at <= when && when <= until
  ) ?? false;
}

/** Whether the server had no room for it. */
export function isNotStored({ outcome }: Send): boolean {
  return outcome.kind === "refused" && outcome.code === NOT_STORED;
}

const NOT_STORED = 119;

/** The ids of texts; of one that is stored twice, which is told, the first. */
function firstIds(messages: readonly Message[]): Map<string, number> {
  return new Map(messages.toReversed().map(({ id, text }) => [text, id]));
}

/** Whether two names or targets are the same to a server. */
export function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
