/**
 * The client as a process whose server is hostile: the sockets, the terminal
 * and the exit code take part as well.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  ABSURD_BODY_BYTES,
  ChatError,
  FrameDecoder,
  frames,
} from "../../protocol.ts";
import { ClientProcess, type Result } from "../tools/client_tools.ts";
import { within } from "../tools/net/within.ts";
import { Chance, hostileAnswer, hostileReply } from "./hostile_frames.ts";
import { checkShown } from "../tools/shown.ts";

/** How much the server sends on one connection before it breaks it. */
const FRAMES = 200;

/** How clients end that met a server; 2 would be our mistake. */
const LEGAL_ENDS = [0, 1, 3, 4, 5, 6];

/** Runs one client against a server of that seed; gives its exit code. */
export async function meetHostileServer(
  seed: number,
  args: readonly string[] = [],
): Promise<number> {
  const chance = new Chance(seed);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using client = new ClientProcess([
    "alice",
    `127.0.0.1:${listener.addr.port}`,
    ...args,
  ]);
  await client.type("hello\n@bob: psst\n/rooms\n").catch(() => {}); // it ended
  const conn = await within(listener.accept(), () => "the client to connect");
  const serving = serve(conn, chance);
  listener.close(); // it cannot reconnect
  const result = await client.end();
  await serving;
  check(result, seed);
  return result.code;
}

function check({ code, out, err }: Result, seed: number): void {
  try {
    assert(LEGAL_ENDS.includes(code), `exit code ${code}`);
    assertEquals(/^\s+at .*:\d+:\d+|Uncaught/m.exec(err), null, err);
    checkShown(out);
    checkShown(err);
  } catch (cause) {
    throw new Error(`A client failed: --seed ${seed}`, { cause });
  }
}

/** Answers requests, sends more, and ends in the middle of a head. */
async function serve(conn: Deno.Conn, chance: Chance): Promise<void> {
  const asked = new FrameDecoder({ maxBodyBytes: ABSURD_BODY_BYTES });
  try {
    let left = FRAMES;
    for await (const batch of frames(conn, asked)) {
      for (const request of batch) {
        if (request instanceof ChatError) throw request;
        // It waits, as for a limit that we have made up: for hours, if we let it.
        if (request.verb === "PING") left = 0;
        await write(conn, hostileReply(chance, request.verb));
        for (; left > 0 && !chance.once(10); left--) {
          await write(conn, hostileAnswer(chance));
        }
      }
      if (left === 0) break;
    }
    await write(conn, encoder.encode("A".repeat(5_000)));
  } catch (error) {
    if (error instanceof ChatError) throw error;
    // The client has disconnected, which it may do.
  } finally {
    conn.close();
  }
}

async function write(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}

const encoder = new TextEncoder();
