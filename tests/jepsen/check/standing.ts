/**
 * Names, accounts, bans and resumable sessions: who may be who, and what all
 * servers have to agree on.
 *
 * @module
 */
import type {
  Claim,
  History,
  Measure,
  ServerState,
  SignIn,
  Violation,
} from "./history.ts";
import { same, shown } from "./stored.ts";

/** See the top of the file. */
export function* checkStanding(history: History): Generator<Violation> {
  yield* checkClaims(history.claims);
  yield* checkSpeakers(history);
  yield* checkAccounts(history);
  yield* checkMeasures(history);
  yield* checkEntries(history);
  yield* checkForgotten(history);
}

/** No name has two holders at a time. */
function* checkClaims(claims: readonly Claim[]): Generator<Violation> {
  for (const own of byName(claims).values()) {
    const sorted = own.toSorted((a, b) => a.from - b.from);
    let widest: Claim | undefined;
    for (const claim of sorted) {
      if (widest && claim.from < widest.until) {
        yield {
          rule: "a name has one holder",
          what: `${claim.holder} was registered as ${claim.name} while ` +
            `${widest.holder} had that name`,
          story: [
            [widest.from, `${widest.holder} was registered`],
            [claim.from, `${claim.holder} was registered`],
            [widest.until, `${widest.holder} asked for what was answered`],
          ],
        };
      }
      if (claim.until > (widest?.until ?? -Infinity)) widest = claim;
    }
  }
}

/** In the order of ids, nobody speaks again under a name that another got. */
function* checkSpeakers(
  { servers, sends, claims }: History,
): Generator<Violation> {
  const [first] = servers;
  if (!first) return;
  const contested = new Set(
    Array.from(byName(claims)).filter(([, own]) => own.length > 1)
      .map(([name]) => name),
  );
  const byText = new Map(sends.map((send) => [send.text, send]));
  const gone = new Map<string, Map<string, string>>(); // by name: holder, text
  const now = new Map<string, { session: string; text: string }>();
  for (const { id, from, text } of first.messages) {
    const name = from.toLowerCase();
    const session = byText.get(text)?.session;
    if (!contested.has(name) || session === undefined) continue;
    const before = now.get(name);
    now.set(name, { session, text });
    if (!before || before.session === session) continue;
    const past = gone.get(name) ?? new Map<string, string>();
    gone.set(name, past.set(before.session, before.text));
    const earlier = past.get(session);
    if (earlier === undefined) continue;
    yield {
      rule: "a former holder of a name is silent",
      what: `${session} spoke as ${from} with id ${id}, after ` +
        `${before.session} did so, after ${session} had: ${shown(earlier)}, ` +
        `${shown(before.text)}, ${shown(text)}`,
      story: claims.filter(({ holder }) =>
        holder === session || holder === before.session
      ).map((one) => [one.from, `${one.holder} was registered as ${one.name}`]),
    };
  }
}

/** An account is created once, stays, opens, and is the same on all servers. */
function* checkAccounts(
  { signUps, signIns, servers }: History,
): Generator<Violation> {
  for (const own of byName(signUps).values()) {
    const done = own.filter(({ outcome }) => outcome.kind === "done");
    const [one, other] = done;
    if (!one) continue;
    if (other) {
      yield {
        rule: "an account has one owner",
        what: `${one.client} and ${other.client} both created ${one.name}`,
        story: done.map(({ at, client, name }) => [
          at,
          `${client}: SIGNUP ${name}, which succeeded`,
        ]),
      };
    }
    for (const { name, accounts } of servers) {
      if (accounts.some((account) => same(account, one.name))) continue;
      yield {
        rule: "a created account stays",
        what: `${name} does not have the account ${one.name}`,
        story: [[one.at, `${one.client}: SIGNUP ${one.name}, which succeeded`]],
      };
    }
  }
  for (const signIn of signIns) yield* checkSignIn(signIn);
  yield* checkAgreed(servers, "accounts");
}

/** Right passwords open accounts. */
function* checkSignIn(
  { client, name, at, outcome }: SignIn,
): Generator<Violation> {
  if (outcome.kind !== "refused") return;
  yield {
    rule: "the right password opens an account",
    what: `${client} could not sign in as ${name}: ERROR ${outcome.code}`,
    story: [[at, `${client}: LOGIN ${name}`]],
  };
}

/** The last word of the operator holds, and all servers have the same. */
function* checkMeasures(
  { measures, servers }: History,
): Generator<Violation> {
  for (const what of ["ban", "mute"] as const) {
    const those = byName(effective(measures, what));
    for (const own of those.values()) {
      // What was given in vain may hold at any time after that.
      const isCertain = own.every(({ outcome }) => outcome.kind === "done");
      const last = own.at(-1)!;
      if (!isCertain) continue;
      for (const { name, bans, mutes } of servers) {
        const list = what === "ban" ? bans : mutes;
        const holds = list.some((value) => same(value, last.name));
        if (holds === last.wanted) continue;
        yield {
          rule: `the last ${what} or its removal holds`,
          what: `${name} ${holds ? "has" : "does not have"} the ${what} of ` +
            last.name,
          story: own.slice(-2).map(measureLine),
        };
      }
    }
  }
  yield* checkAgreed(servers, "bans");
  yield* checkAgreed(servers, "mutes");
}

/** Those that may have an effect: what was refused has none. */
function effective(
  measures: readonly Measure[],
  what: Measure["what"],
): Measure[] {
  return measures.filter((one) =>
    one.what === what && one.outcome.kind !== "refused"
  );
}

function measureLine(
  { at, server, what, name, wanted }: Measure,
): [number, string] {
  return [at, `operator at ${server}: ${wanted ? "" : "un"}${what} ${name}`];
}

/** Lists that are the same on all servers. */
function* checkAgreed(
  [first, ...others]: readonly ServerState[],
  list: "accounts" | "bans" | "mutes",
): Generator<Violation> {
  for (const other of others) {
    const [one, two] = [new Set(first![list]), new Set(other[list])];
    const differing = [...one.symmetricDifference(two)];
    if (differing.length === 0) continue;
    yield {
      rule: `all servers have the same ${list}`,
      what: `of ${first!.name} and ${other.name}, only one has ` +
        differing.join(", "),
      story: [],
    };
  }
}

/**
 * Nobody registers under a banned name, on the server where the ban was given:
 * from its answer on, until it is to be removed.
 */
function* checkEntries(
  { measures, entries }: History,
): Generator<Violation> {
  const bans = byName(effective(measures, "ban"));
  for (const { client, name, server, at, done } of entries) {
    const own = bans.get(name.toLowerCase()) ?? [];
    // The last one that was answered before it asked, with none since.
    const known = own.findLast(({ outcome }) =>
      outcome.kind === "done" && outcome.at < at
    );
    if (!known?.wanted || known.server !== server) continue;
    const after = own.slice(own.indexOf(known) + 1);
    if (after.some((one) => one.at < done)) continue;
    const before = own.slice(0, own.indexOf(known));
    if (before.some(({ outcome }) => outcome.kind === "unknown")) continue;
    yield {
      rule: "a banned name is refused",
      what: `${client} was registered as ${name} on ${server}, which is banned`,
      story: [measureLine(known), [at, `${client}: REGISTER ${name}`], [
        done,
        `${client}: REGISTERED ${name}`,
      ]],
    };
  }
}

/**
 * A run is shorter than the five minutes of a resumable session; a ban or a
 * LOGOUT ends it earlier.
 */
function* checkForgotten(
  { sessions, measures }: History,
): Generator<Violation> {
  for (const { key, name, forgotten, leftAt = Infinity } of sessions) {
    const [at] = forgotten;
    if (at === undefined || at > leftAt) continue;
    if (measures.some((one) => one.wanted && same(one.name, name))) continue;
    yield {
      rule: "a resumable session survives",
      what: `the resume token of ${key} (${name}) was forgotten`,
      story: [[at, `${key} was registered with another token`]],
    };
  }
}

/** Lists by name, in their order; names are compared without case. */
function byName<T extends { readonly name: string }>(
  all: readonly T[],
): Map<string, T[]> {
  return Map.groupBy(all, ({ name }) => name.toLowerCase());
}
