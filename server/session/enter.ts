/**
 * How a user enters the chat: with a session, new or resumed, and with what the
 * user missed. register.ts has decided before that the user may enter.
 *
 * @module
 */
import { ChatError, encode, isPrivateName, PROTOCOL } from "../../protocol.ts";
import type { Account } from "../accounts/accounts.ts";
import { signedInElsewhere } from "../accounts/resume_tokens.ts";
import type { ResumableSession } from "../accounts/session_table.ts";
import { roomNotices } from "../chat/devices/follow.ts";
import type { Hub } from "../chat/hub.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import { hostOf } from "../net/connection.ts";
import { sendAnswers } from "./answers.ts";
import { Registered } from "./sender.ts";
import type { Context, Session, Together } from "./session.ts";

/** A user that may enter, and how. */
export interface Entry {
  /** Reserved for the session. */
  readonly name: string;
  /** The session that is resumed; without, a new one starts. */
  readonly resumed?: ResumableSession | undefined;
  readonly account: Account | undefined;
  /** The newest message that the client says it has. */
  readonly after?: number | undefined;
  /** The server's answer to a proof. */
  readonly signature?: string;
  /** What the user did, for the log. */
  readonly deed: string;
}

/** Enters the chat, and sends what was missed. */
export async function enter(
  session: Session,
  context: Context,
  entry: Entry,
): Promise<void> {
  const { accounts, journal, resumables, settings } = context;
  const { name, signature, deed } = entry;
  const { address, connection, state } = session;
  if (state.type === "new") state.reserved = name;
  const devices = entry.account && await import("../chat/devices/devices.ts");
  using held = new DisposableStack();
  const { cluster, hub } = context;
  if (cluster) {
    held.use(await claimName(session, { hub, cluster }, entry));
    checkStill(entry, context);
  }
  const host = hostOf(connection.remote);
  const resumable = entry.resumed ??
    await resumables.begin(name, journal.lastId, address.network, {
      secure: session.isSecure,
      isBeside: entry.account !== undefined,
      address: host,
      client: state.type === "new" ? state.client ?? "" : "",
    });
  if (!session.isSecure) await resumables.expose(resumable);
  if (entry.account) await accounts.loaded?.used(entry.account);
  const banned = context.bans.loaded?.refusal({ kind: "name", value: name }); // by now
  if (session.hasEnded || banned) {
    resumables.lose(resumable, context.now());
    if (banned) throw banned;
    return;
  }
  const isProved = entry.resumed !== undefined || signature !== undefined;
  if (!isProved) context.hub.muting.newcomer(name);
  replace(resumable.connection); // another one that resumed it a moment ago
  const present = devices && hub.userNamed(name);
  const options = { ...entry, resumable, user: present };
  const user = new Registered(session, context, options);
  if (present) {
    hub.names.release(name);
    devices.addDevice(present, user);
    present.muted = hub.muting.entered(name, connection.remote) ??
      present.muted;
  }
  session.state = user;
  session.claim = held.move();
  resumables.resume(resumable, connection, {
    network: address.network,
    address: host,
  });
  resumable.host = host;
  connection.decoder.maxBodyBytes = settings.maxBodyBytes;
  const { remote } = connection;
  context.log(`${name} ${deed} from <${remote}>`, remote);
  const upTo = journal.lastId;
  connection.outbox.answer(registered(user, context, signature));
  if (present) {
    // Its session may have begun beside one that was away, and is in its rooms again.
    for (const [room, since] of present.rooms) {
      resumables.joined(resumable, room.name, since).catch(unlessNotStored);
    }
    const notices = roomNotices(hub, present, resumable.rooms);
    for (const notice of notices) connection.outbox.answer(notice);
  }
  const { account } = entry;
  const marks = account && context.readMarks.loaded?.all(account);
  for (const { target, id } of marks ?? []) {
    const headers = { To: target, Id: id };
    connection.outbox.answer(encode("NOTICE", ["read"], headers));
  }
  try {
    await replay(user, context, { entry, upTo });
    const { account = { name: "" } } = entry;
    const invitations = context.privateRooms.loaded?.invitations(account);
    for (const notice of invitations ?? []) user.notify(notice);
  } catch (error) { // what was missed cannot be read; the chat goes on
    if (!(error instanceof ChatError)) throw error;
    user.notify(encode("NOTICE", ["server"], {}, error.message));
  }
  user.release();
}

/** Has the name for the user alone, on all servers. */
function claimName(
  session: Session,
  { hub, cluster }: { readonly hub: Hub; readonly cluster: Together },
  { name, account, resumed }: Entry,
): Promise<Disposable> {
  const isShared = account !== undefined;
  const takesOver = isShared || resumed !== undefined;
  const lost = () => {
    const { connection, state } = session;
    if (state.type === "registered") hub.elsewhere?.moves(state.user);
    replace(connection);
  };
  return cluster.claim(name, { takesOver, isShared, lost });
}

/**
 * Another server can have changed whose the name is until it was claimed here.
 *
 * @throws {ChatError} 104 if it did; the client finds out with another attempt.
 */
function checkStill(
  { name, account, resumed }: Entry,
  { accounts, resumables }: Context,
): void {
  const isOwners = account !== undefined || !accounts.loaded?.named(name);
  const goesOn = !resumed || resumables.has(resumed);
  if (isOwners && goesOn) return;
  const why = "another user has got it just now";
  throw new ChatError(104, `Cannot use the name "${name}": ${why}`);
}

/** Ends a connection, dead or alive, for which there is a newer one. */
export function replace(connection: ResumableSession["connection"]): void {
  connection?.end(signedInElsewhere());
}

/**
 * Sends what the user has missed, up to an id. A guest whose client does not know
 * its last message gets nothing; an account gets what was sent to it alone since
 * the last message that it has certainly received.
 */
async function replay(
  user: Registered,
  context: Context,
  { entry, upTo }: { entry: Entry; upTo: number },
): Promise<void> {
  const { accounts, journal, privateRooms } = context;
  const { resumable } = user;
  const { account, name, resumed } = entry;
  // A greater id is that of another server, or of a database that is gone.
  const isKnown = entry.after !== undefined && entry.after <= upTo;
  const after = isKnown ? entry.after : account?.seen;
  if (after === undefined || !account && !resumed) return;
  if (account && isKnown) await accounts.loaded?.received(account, after);
  const { since } = account ?? resumable;
  // Another user may have made a room again, with a name that looks alike.
  const rooms = Array.from(
    isKnown ? resumable.rooms : [],
    ([room, id]) => [journal.roomName(room) ?? room, id] as const,
  ).filter(([room]) =>
    !isPrivateName(room) || // of which the user may be no member any more
    account && privateRooms.loaded?.find(room, account)
  );
  const missed = journal.missed({
    user: name,
    since,
    after,
    upTo,
    rooms: new Map(rooms),
    alone: !isKnown,
    device: user.device,
  });
  await sendAnswers(user, context, missed);
}

/** The answer that tells a user what the session is. */
export function registered(
  { account, resumable, user }: Registered,
  { alternates, journal, moderators, nicks, settings }: Context,
  signature?: string,
): Uint8Array {
  return encode("REGISTERED", [user.name], {
    Server: settings.software,
    Protocol: PROTOCOL,
    "Max-body": settings.maxBodyBytes,
    Token: resumable.token,
    Journal: journal.id,
    "Oldest-id": journal.oldestId,
    "Last-id": journal.lastId,
    Role: account && moderators.loaded?.has(account) ? "moderator" : undefined,
    Nick: nicks.loaded?.of(user.name),
    Alternate: alternates?.texts,
  }, signature);
}
