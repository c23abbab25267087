/**
 * A small chat client, for any server that speaks parley/1:
 *
 *     deno run --allow-net examples/client.ts alice 127.0.0.1 --port 9898
 *
 * A line goes to the room joined last, `@bob hi` to bob, and `@ALL hi` to all
 * users. /JOIN #lab, /LEAVE #lab, /ROOMS, /WHO #lab, /WHO ALL and /LOGOUT are
 * requests as the protocol has them.
 *
 * Two loops run side by side: one prints what the server sends whenever it comes,
 * one sends what is typed. Neither waits for the other.
 *
 * **Left out**, compared with client.ts: reconnecting, TLS, accounts, history,
 * direct sessions, files, and all that makes typing comfortable.
 *
 * @module
 */
import { stdin } from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { ABSURD_BODY_BYTES, ChatError, encode } from "../protocol.ts";
import { DEFAULT_PORT, DEFAULT_ROOM, type Frame, header } from "../protocol.ts";
import { Connection } from "./connection.ts";

const REQUESTS = ["JOIN", "LEAVE", "ROOMS", "WHO", "LOGOUT"] as const;

/** Prints what comes, until the server ends. @returns The exit code. */
async function receive(connection: Connection, name: string): Promise<number> {
  const session = { room: DEFAULT_ROOM, isRegistered: false, isDone: false };
  connection.send(encode("REGISTER", [name]));
  for await (const frame of connection) {
    if (frame instanceof ChatError) throw frame; // no parley server sends that
    const { verb, args: [word = ""] } = frame;
    if (verb === "PING") connection.send(encode("PONG")); // we are alive
    if (verb === "JOINED") session.room = word;
    if (verb === "BYE") session.isDone = true;
    if (verb === "REGISTERED") {
      session.isRegistered = true;
      connection.send(encode("JOIN", [DEFAULT_ROOM]));
      type(connection, session); // the other loop, which runs beside this one
    }
    show(frame);
    if (verb === "ERROR" && !session.isRegistered) connection.end("refused");
  }
  return session.isDone ? 0 : 1;
}

/** Sends what is typed, until the end of the input (Ctrl-D). */
async function type(
  connection: Connection,
  session: { readonly room: string },
): Promise<void> {
  for await (const line of createInterface({ input: stdin })) {
    const [, target = session.room, text = line] = /^@(\S+) (.*)/.exec(line) ??
      [];
    const [word = "", ...args] = line.slice(1).split(" ");
    const verb = REQUESTS.find((one) => one === word.toUpperCase());
    if (!line.startsWith("/")) {
      connection.send(encode("SEND", [target], {}, text));
    } else if (verb) connection.send(encode(verb, args));
    else print("! ", `Unknown request. Use ${REQUESTS.join(", ")}.`);
    await connection.drained(); // a long file is sent as fast as it is read
  }
  connection.send(encode("LOGOUT")); // the server answers all before, and ends
}

/** Prints a frame; SENT and PONG have nothing new to show. */
function show(frame: Frame): void {
  const { verb, args: [word = ""] } = frame;
  const body = new TextDecoder().decode(frame.body);
  const told = ["room", "user", "members", "reason"]
    .map((name) => header(frame, name)).filter(Boolean).join(" ");
  if (verb === "FORWARD") print(`${header(frame, "to")} ${word}: `, body);
  else if (verb === "NOTICE") print(`* ${word} ${told} `, body);
  else if (verb === "ERROR") print("! ", told);
  else if (verb === "JOINED") print(`* joined ${word}, members: `, told);
  else if (verb === "ROOMS" || verb === "WHO") print("* ", body.trimEnd());
}

/**
 * Prints `text`, each line after `start`. Others chose that text: a terminal
 * obeys control characters, and so they are shown as marks.
 */
function print(start: string, text: string): void {
  for (const line of text.split("\n")) {
    console.log((start + line).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u{fffd}"));
  }
}

async function main(): Promise<number> {
  const options = { port: { type: "string" } } as const;
  const { values, positionals: [name, hostname] } = parseArgs({
    options,
    allowPositionals: true,
  });
  if (!name || !hostname) {
    console.error("Usage: client.ts NAME HOST [--port 9898]");
    return 2;
  }
  const port = Number(values.port ?? DEFAULT_PORT);
  const connection = new Connection(await Deno.connect({ hostname, port }));
  connection.decoder.maxBodyBytes = ABSURD_BODY_BYTES; // as of a long WHO
  Deno.addSignalListener("SIGINT", () => { // Ctrl-C
    connection.send(encode("LOGOUT"));
    connection.end("interrupted");
  });
  const loops = [receive(connection, name), connection.writeAll()] as const;
  const [code] = await Promise.all(loops);
  connection.close();
  return code;
}

if (import.meta.main) Deno.exit(await main());
