/**
 * A small chat client, for any server that speaks parley/1:
 *
 *     deno run --allow-net examples/client.ts alice 127.0.0.1 --port 9898
 *
 * A line goes to the room joined last, `@bob hi` to bob, and `@ALL hi` to all
 * users. /JOIN #lab, /LEAVE #lab, /ROOMS, /WHO #lab, /WHO ALL and /LOGOUT are
 * requests as the protocol has them.
 *
 * Two loops run side by side: one prints what the server sends, one sends what the
 * user types. The first must never wait for the second: a server stops reading
 * while its answers are not read, and then both sides would wait for each other.
 *
 * **Left out**, compared with the real client: reconnecting, TLS, accounts,
 * history, direct sessions, files, and all that makes typing comfortable.
 *
 * @module
 */
import { stdin } from "node:process";
import { createInterface } from "node:readline";
import * as parley from "../protocol.ts";
import { encode, type Frame, header } from "../protocol.ts";

const REQUESTS = ["JOIN", "LEAVE", "ROOMS", "WHO", "LOGOUT"] as const;

/** The read loop: prints what comes, until the end. Returns the exit code. */
async function receive(conn: Deno.TcpConn, send: Send): Promise<number> {
  const state = { room: parley.DEFAULT_ROOM, isRegistered: false };
  // The bodies of answers, such as a long WHO, may be longer than messages.
  const maxBodyBytes = parley.ABSURD_BODY_BYTES;
  const decoder = new parley.FrameDecoder({ maxBodyBytes });
  // TCP carries bytes, not messages: a read brings a part of a frame, or many.
  const source = { read: (to: Uint8Array) => conn.read(to).catch(() => null) };
  for await (const batch of parley.frames(source, decoder)) {
    for (const frame of batch) {
      if (frame instanceof parley.ChatError) throw frame; // no parley server
      const { verb, args: [word = ""] } = frame;
      show(frame);
      if (verb === "BYE") return 0;
      if (verb === "ERROR" && !state.isRegistered) return 1;
      if (verb === "PING") send(encode("PONG")); // a sign of life
      if (verb === "JOINED") state.room = word;
      if (verb !== "REGISTERED") continue;
      state.isRegistered = true;
      send(encode("JOIN", [parley.DEFAULT_ROOM]));
      type(send, state); // starts the other loop
    }
  }
  print("! ", "The server closed the connection.");
  return 1;
}

/** The write loop: sends what the user types, until the end of it (Ctrl-D). */
async function type(send: Send, state: { readonly room: string }) {
  for await (const line of createInterface({ input: stdin })) {
    const [, target = state.room, text = line] = /^@(\S+) (.*)/.exec(line) ??
      [];
    const [word = "", ...args] = line.slice(1).split(" ");
    const verb = REQUESTS.find((one) => one === word.toUpperCase());
    if (!line.startsWith("/")) {
      await send(encode("SEND", [target], {}, text)); // as fast as it is taken
    } else if (verb) await send(encode(verb, args));
    else print("! ", `Unknown request. Use ${REQUESTS.join(", ")}.`);
  }
  await send(encode("LOGOUT")); // the server answers all before it, and ends
}

/** Sends a frame. Resolves when it is written, or the connection is lost. */
type Send = (frame: Uint8Array) => Promise<void>;

/** Frames are written one after the other: parts of two must not mix. */
function sender(conn: Deno.TcpConn): Send {
  let last = Promise.resolve();
  return (frame) =>
    last = last.then(async () => {
      for (let sent = 0; sent < frame.length;) { // a write may take only a part
        sent += await conn.write(frame.subarray(sent));
      }
    }).catch(() => {}); // the connection is lost: the read loop notices it
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

/** Prints lines, with marks for control characters: a terminal obeys those. */
function print(start: string, text: string): void {
  for (const line of text.split("\n")) {
    console.log((start + line).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u{fffd}"));
  }
}

async function main(): Promise<number> {
  const [name, hostname, ...rest] = Deno.args;
  const [, port] = /^--port[ =](\d+)$/.exec(rest.join(" ") || "--port 9898") ??
    [];
  if (!name || !hostname || !port || name.startsWith("-")) {
    console.error("Usage: client.ts NAME HOST [--port 9898]");
    return name === "--help" ? 0 : 2;
  }
  using conn = await Deno.connect({ hostname, port: Number(port) });
  const send = sender(conn);
  send(encode("REGISTER", [name]));
  Deno.addSignalListener("SIGINT", () => { // Ctrl-C
    send(encode("LOGOUT"));
    setTimeout(() => Deno.exit(1), 1_000); // if no answer comes
  });
  return await receive(conn, send);
}

if (import.meta.main) Deno.exit(await main());
