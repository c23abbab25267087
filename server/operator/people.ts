/**
 * The operator's commands about users: kick, ban and mute, and what undoes them.
 *
 * @module
 */
import { sanitize } from "../../core/text/sanitize.ts";
import { networkText, parseNetwork } from "../../core/net/ip_address.ts";
import { readDuration } from "../../terminal/options.ts";
import { MAX_BANS } from "../accounts/bans.ts";
import { becauseOf, MAX_MUTES, type Mutes } from "../accounts/mutes.ts";
import {
  type Measure,
  parseTarget,
  type Target,
  targetText,
} from "../accounts/targets.ts";
import { timeText } from "../../core/net/connection_error.ts";
import { disconnect, expelBanned } from "../session/expel.ts";
import {
  counted,
  type Desk,
  endless,
  giverOf,
  list,
  listUsers,
  noTarget,
  quoted,
  readTerm,
  tooLong,
  tooMany,
  typed,
  warning,
  type Words,
} from "./desk.ts";
import { protectedFrom } from "./moderators.ts";
import { localTime } from "./screen.ts";

/** Limit of the locks, and of the used shares, that are listed. */
const MAX_SHOWN = 100;

/**
 * Disconnects a user, or all connections of an address or a network, on whatever
 * server they are.
 */
export async function kick(
  desk: Desk,
  { first, rest }: Words,
): Promise<string> {
  const { cluster, hub } = desk;
  const user = hub.userNamed(first);
  const network = user ? undefined : parseNetwork(first);
  const places = hub.elsewhere?.serversOf(user?.name ?? first) ?? [];
  const elsewhere = user ? undefined : hub.elsewhere?.named(first);
  if (!user && !network && !elsewhere) {
    return `Cannot kick ${quoted(first)}: no user has that name. ${
      listUsers(desk)
    }`;
  }
  const found = (user ?? elsewhere)?.name; // which can be written otherwise
  const forbidden = tooLong("kick", rest) ??
    protectedFrom(desk, "kick", parseTarget(found ?? first));
  if (forbidden) return forbidden;
  const why = rest === "" ? "" : ` (${sanitize(rest)})`;
  const reason = `${giverOf(desk)} disconnected you${why}`;
  const name = user?.name ?? elsewhere?.name ?? networkText(network!);
  if (elsewhere && places.length === 0) places.push(elsewhere.server);
  const servers = user || elsewhere ? places : cluster?.open ?? [];
  const asked = servers.map(async (server) => ({
    server,
    count: await cluster?.kick(server, name, reason),
  }));
  const here = elsewhere ? 0 : disconnect(desk, name, reason);
  const there = await Promise.all(asked);
  const silent = there.filter(({ count }) => count === undefined)
    .map(({ server }) => server).join(", ");
  const unknown = silent === "" ? "" : `. No answer comes from ${silent}`;
  const count = there.reduce((sum, one) => sum + (one.count ?? 0), here);
  if (count === 0 && elsewhere && silent !== "") {
    return `Cannot kick ${name}: no answer comes from ${silent}, ` +
      "where the user is connected";
  }
  if (count === 0 && !user) {
    const why = elsewhere
      ? "the user is not connected any more"
      : "no connection comes from there";
    return `Cannot kick ${name}: ${why}${unknown}. ${listUsers(desk)}`;
  }
  const [time = ""] = rest.split(/\s/, 1);
  const what = network && !elsewhere ? `: ${counted(count, "connection")}` : "";
  const where = elsewhere ? `, on ${places.join(", ")}` : "";
  return `Disconnected ${name}${what}${where}${unknown}` +
    (readDuration(time) === undefined
      ? ""
      : `, who may return at once. To refuse ${name}, type: ${
        typed(desk, `ban ${name} ${time}`)
      }`);
}

/** Bans a target, and ends its connections. */
export async function ban(
  desk: Desk,
  { first, rest }: Words,
): Promise<string> {
  const target = parseTarget(first);
  if (!target) return noTarget(desk, "ban", first);
  const term = readTerm("ban", rest);
  if (typeof term === "string") return term;
  const forbidden = protectedFrom(desk, "ban", target);
  if (forbidden) return forbidden;
  const bans = await desk.bans.load();
  const accounts = await desk.accounts.load();
  if (bans.isFullFor(target)) return tooMany(desk, "ban", MAX_BANS);
  const since = Date.now();
  const until = since + term.ms;
  const { reason } = term;
  const storing = bans.add({ ...target, since, until, reason });
  const { count, storing: ending } = expelBanned(desk, bans, target);
  const gone = count === 0 ? "" : ` and ended ${counted(count, "connection")}`;
  const isUnknown = target.kind === "name" && count === 0 &&
    !desk.hub.elsewhere?.named(target.value) &&
    !accounts.named(target.value);
  // A client does not tell on which interface it is.
  const zone = first.includes("%") ? ", on every interface" : "";
  return `Banned ${targetText(target)}${zone}${timeOf(term)}${gone}` +
    (isUnknown ? ". No user or account has that name now." : "") +
    endless(typed(desk, `ban ${target.value}`), term) +
    await warning(
      Promise.all([storing, ending]),
      desk.cluster
        ? "the ban has ended again"
        : "the ban is lost when the server stops",
    );
}

/** Removes a ban. */
export async function unban(desk: Desk, { first }: Words): Promise<string> {
  const target = parseTarget(first);
  if (!target) return noTarget(desk, "unban", first);
  const bans = await desk.bans.load();
  const ban = bans.find(target);
  if (!ban || isWider(ban, target)) {
    const why = ban
      ? `${targetText(ban)} is banned. To remove that ban, type: ${
        typed(desk, `unban ${ban.value}`)
      }`
      : `there is no such ban. Type ${typed(desk, "bans")} to see all.`;
    return `Cannot unban ${targetText(target)}: ${why}`;
  }
  const storing = bans.remove(ban);
  return `Removed the ban of ${targetText(ban)}` +
    await warning(
      storing,
      desk.cluster
        ? "the ban holds again"
        : "the ban returns when the server restarts",
    );
}

/**
 * Lists the bans, the mutes, the locks after wrong passwords, and the addresses
 * that have used up a share.
 */
export async function bans(
  { accounts, bans, limits, mutes, now: uptime }: Desk,
): Promise<string> {
  const allBans = (await bans.load()).all();
  const banned = allBans.map((ban) => [...rowOf(ban), ban.reason]);
  const muted = (await mutes.load()).all().map(rowOf);
  const now = Date.now();
  const locks = (await accounts.load()).locks();
  const locked = locks.slice(0, MAX_SHOWN).map(
    ({ account, address, leftMs }) => [
      account ?? "all accounts",
      `at ${/^session /.test(address) ? "a session" : address}`,
      untilText(now + leftMs),
    ],
  );
  const more = locks.length - locked.length;
  if (more > 0) locked.push([`and ${more} more`, "", ""]);
  const used = limits.usedShares(uptime()).map(({ network, what, leftMs }) => [
    network,
    what,
    untilText(now + leftMs),
  ]);
  const lists = [
    list("ban", banned),
    list("mute", muted),
    list("lock", locked, locks.length),
    list("used share", used.slice(0, MAX_SHOWN), used.length),
  ].filter((text) => text !== undefined);
  return lists.join("\n") || "No bans, mutes or locks";
}

/** Mutes a target. */
export async function mute(
  desk: Desk,
  { first, rest }: Words,
): Promise<string> {
  const { hub } = desk;
  const mutes = await desk.mutes.load();
  const target = parseTarget(first);
  if (!target) return noTarget(desk, "mute", first);
  const term = readTerm("mute", rest);
  if (typeof term === "string") return term;
  if (term.reason !== "") {
    return `Cannot mute ${targetText(target)} for ${quoted(term.reason)}: ` +
      "it is no time such as 90s, 10m or 2h. " +
      `Usage: ${typed(desk, "mute NAME|ADDRESS|PREFIX [TIME]")}`;
  }
  const forbidden = protectedFrom(desk, "mute", target);
  if (forbidden) return forbidden;
  if (mutes.isFullFor(target)) return tooMany(desk, "mute", MAX_MUTES);
  const storing = mutes.add(target, Date.now() + term.ms);
  hub.muting.mark(hub.users());
  const name = hub.userNamed(target.value)?.name ?? target.value;
  return `Muted ${targetText({ ...target, value: name })}${timeOf(term)}` +
    aboutMute(desk, mutes, target) +
    await warning(
      storing,
      desk.cluster
        ? "the mute has ended again"
        : "the mute is lost when the server stops",
    );
}

/** Whom a new mute concerns. */
function aboutMute(
  desk: Desk,
  mutes: Mutes,
  { kind, value }: Target,
): string {
  const { hub } = desk;
  const isElsewhere = hub.elsewhere?.named(value) !== undefined;
  if (kind === "name" && !hub.userNamed(value) && !isElsewhere) {
    return ". No user has that name now; the next one is muted.";
  }
  const users = [...hub.users(), ...hub.elsewhere?.members("ALL") ?? []];
  const isConcerned = ({ name, peer }: typeof users[number]) =>
    mutes.of(name, peer.remote)?.mute.value === value;
  const concerned = kind === "name"
    ? ". New names from that address are muted, too"
    : `: ${counted(users.filter(isConcerned).length, "user")}`;
  return `${concerned}. To let one of them send, type: ${
    typed(desk, "unmute NAME")
  }`;
}

/** Removes a mute, or lets a name send in spite of another mute. */
export async function unmute(
  desk: Desk,
  { first }: Words,
): Promise<string> {
  const { hub } = desk;
  const target = parseTarget(first);
  if (!target) return noTarget(desk, "unmute", first);
  const mutes = await desk.mutes.load();
  const { removed, allowedBy, storing } = mutes.remove(target);
  hub.muting.mark(hub.users());
  const because = allowedBy
    .map((mute) => becauseOf({ mute, isOther: mute.kind === "name" }).trim());
  if (removed || because.length > 0) {
    const others = because.length === 0
      ? ""
      : `, who was muted ${because.join(" and ")}`;
    return `Unmuted ${targetText(removed ?? target)}${others}` +
      await warning(
        storing,
        desk.cluster
          ? "the mute holds again"
          : "the mute returns when the server restarts",
      );
  }
  return `Cannot unmute ${targetText(target)}: it is not muted. ` +
    `Type ${typed(desk, "bans")} to see the mutes.`;
}

/** Whether a measure found for a target is of a network around it. */
function isWider(measure: Measure, target: Target): boolean {
  return measure.kind === "address" && measure.value !== target.value;
}

/** Behind what was done: for how long. */
function timeOf({ ms }: { readonly ms: number }): string {
  return ms === Infinity ? "" : ` for ${timeText(ms)}`;
}

function rowOf({ value, since, until }: Measure): string[] {
  const start = `since ${localTime(new Date(since))}`;
  return [value, `${start} ${untilText(until)}`.trimEnd()];
}

/** A time in milliseconds since the epoch; empty if it never comes. */
function untilText(time: number): string {
  return time === Infinity ? "" : `until ${localTime(new Date(time))}`;
}
