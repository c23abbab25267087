/**
 * What a server has in the end, as its operator and its users can find out: lists
 * on the console, HISTORY, and the copy that `backup` makes.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { headerOf, RawClient } from "../tools/net/raw_client.ts";
import { within } from "../tools/net/within.ts";
import type { Message, ServerState } from "./check/history.ts";
import type { ParleyNode } from "./node.ts";

/** With the server's name behind it, a name that no client has. */
const NAME = "inspector";

/** How long a server may be late, in milliseconds. */
const LATE_MS = 90_000;

/** The most messages that HISTORY gives at a time. */
const PAGE = 1_000;

/**
 * Everything that `node` has, once it has the message with the id `upTo`. `rooms`
 * are those whose history is asked for.
 */
export async function inspect(
  node: ParleyNode,
  rooms: readonly string[],
  upTo: number,
): Promise<ServerState> {
  const name = `${NAME}${node.name}`;
  let answer = "";
  const heard = (next: string) => void (answer = next);
  await within(
    untilItHas(node, { name, upTo, heard }),
    () => `id ${upTo} at ${node.name}, after ${answer}`,
    LATE_MS,
  );
  const histories = new Map<string, Message[]>();
  using client = await RawClient.enter(node.port, name);
  for (const room of rooms) {
    histories.set(room, await historyOf(client, room));
  }
  const measures = await node.ask("bans");
  return {
    name: node.name,
    messages: await copyOf(node),
    rooms: histories,
    accounts: rowsBelow(await node.ask("accounts"), "account"),
    bans: rowsBelow(measures, "ban"),
    mutes: rowsBelow(measures, "mute"),
  };
}

/**
 * The hash of the log on each server, up to its end: waits until no server is behind
 * another, and nothing is added meanwhile.
 */
export async function equallyFar(
  nodes: readonly ParleyNode[],
): Promise<Map<string, string>> {
  let shown = "";
  const ask = async () => {
    for (;;) {
      const logs = await Promise.all(nodes.map(logOf));
      shown = logs.map(({ at, hash }) => `${hash} at ${at}`).join(", ");
      const [first] = logs;
      if (logs.every(({ at }) => at === first!.at)) {
        return new Map(logs.map(({ name, hash }) => [name, hash]));
      }
    }
  };
  return await within(ask(), () => `equally long logs; ${shown}`, LATE_MS);
}

/** How far a server has read the log, and its hash. */
async function logOf(
  node: ParleyNode,
): Promise<{ name: string; at: string; hash: string }> {
  const text = (await node.ask("cluster")).join("\n");
  const [, at = ""] = /\(this server\) +at (\d+)/.exec(text) ?? [];
  const [, hash = ""] = /^Hash of the log here: (\S+)$/m.exec(text) ?? [];
  if (hash === "") throw new Error(`${node.name} tells no hash: ${text}`);
  return { name: node.name, at, hash };
}

/** A server of several may be late. */
async function untilItHas(
  { port }: ParleyNode,
  { name, upTo, heard }: {
    readonly name: string;
    readonly upTo: number;
    heard(answer: string): void;
  },
): Promise<void> {
  for (let last = 0; !(last >= upTo);) {
    using client = await RawClient.connect(port);
    const answer = await client.ask(`REGISTER ${name}\n\n`);
    heard(answer);
    last = Number(headerOf(answer, "Last-id"));
    await client.send("LOGOUT\n\n");
    await client.rest();
  }
}

/** All messages of a room, oldest first. */
async function historyOf(client: RawClient, room: string): Promise<Message[]> {
  const messages: Message[] = [];
  for (let before = "";;) {
    await client.send(`HISTORY ${room}\nLimit: ${PAGE}\n${before}\n`);
    const page: Message[] = [];
    let frame = await client.frame();
    for (; !frame.startsWith("HISTORY"); frame = await client.frame()) {
      if (frame.startsWith("FORWARD")) page.push(messageIn(frame));
    }
    messages.unshift(...page);
    if (page.length < PAGE) return messages;
    before = `Before: ${page[0]!.id}\n`;
  }
}

function messageIn(frame: string): Message {
  return {
    id: Number(headerOf(frame, "Id")),
    from: /^FORWARD (\S+)/.exec(frame)?.[1] ?? "",
    to: headerOf(frame, "To"),
    text: frame.slice(frame.indexOf("\n\n") + 2),
  };
}

/** Every stored message, also those to one user and to all. */
async function copyOf(node: ParleyNode): Promise<Message[]> {
  const file = `${node.folder}.copy`;
  const answer = await node.ask(`backup ${file}`);
  const found = await Deno.stat(file).catch(() => undefined);
  if (!found) throw new Error(`Cannot copy ${node.name}: ${answer.join("\n")}`);
  using database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare(
    `SELECT first_id, count, sender, target, lengths, bodies
     FROM messages ORDER BY first_id`,
  ).all() as unknown as Row[];
  await Deno.remove(file);
  return rows.flatMap(messagesOf);
}

/** A row of the table: messages of one sender, with ids that follow each other. */
interface Row {
  readonly first_id: number;
  readonly count: number;
  readonly sender: string;
  readonly target: string;
  readonly lengths: Uint8Array | null;
  readonly bodies: Uint8Array;
}

function messagesOf(
  { first_id, count, sender, target, lengths, bodies }: Row,
): Message[] {
  const view = lengths && new DataView(lengths.buffer, lengths.byteOffset);
  let at = 0;
  return Array.from({ length: count }, (_, i) => {
    const length = view ? view.getUint32(4 * i) : bodies.length;
    const text = decoder.decode(bodies.subarray(at, at + length));
    at += length;
    return { id: first_id + i, from: sender, to: target, text };
  });
}

/** The first words of the rows below the heading of a list. */
function rowsBelow(lines: readonly string[], what: string): string[] {
  const rows: string[] = [];
  let isBelow = false;
  for (const line of lines) {
    const [, heading] = /^[\d,]+ ([a-z ]+?)s?:$/.exec(line) ?? [];
    if (heading !== undefined) isBelow = heading === what;
    else if (isBelow) rows.push(line.trim().split(/\s/, 1)[0]!);
  }
  return rows;
}

const decoder = new TextDecoder();
