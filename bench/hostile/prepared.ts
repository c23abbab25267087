/**
 * Databases that some attacks need: 9,900 rooms with a message each, and a room
 * with 300 messages of 64 KB. Each server makes its own, before it is measured.
 *
 * @module
 */
import { BenchServer } from "../peers/bench_server.ts";
import { makeTempDir } from "../peers/processes.ts";
import { Client } from "./client.ts";
import { LONG_ROOM } from "./foes/costly.ts";
import { type Foe, word } from "./foes/foe.ts";

/** What a database has. */
export type Preparation = NonNullable<Foe["needs"]>;

const ROOMS = 9_900; // of 10,000, so that newcomers can make theirs

/** From so many addresses: no address may take all rooms. */
const MAKERS = 100;

const MESSAGES = 300;
const MESSAGE_BYTES = 65_536;

/** Gives databases of the servers, each made once. */
export class Databases {
  readonly #made = new Map<string, Promise<string>>();

  /** The path of one, made by the server with this script. */
  of(script: string, what: Preparation): Promise<string> {
    const key = `${what} ${script}`;
    const made = this.#made.get(key) ?? make(script, what);
    this.#made.set(key, made);
    return made;
  }
}

async function make(script: string, what: Preparation): Promise<string> {
  const path = `${await makeTempDir()}/${what}.db`;
  const args = ["--no-limits"];
  await using server = await BenchServer.start({ script, args });
  if (what === "rooms") await makeRooms(server.port);
  else await makeHistory(server.port);
  await server.stopAndCopy(path);
  return path;
}

async function makeRooms(port: number): Promise<void> {
  const share = ROOMS / MAKERS;
  await Promise.all(Array.from({ length: MAKERS }, async (_, maker) => {
    using client = await Client.connect(port, { from: `127.0.2.${1 + maker}` });
    await client.ask("REGISTER", [`maker${word(maker)}`]);
    for (let at = 0; at < share; at++) {
      const room = `#list${word(maker)}-${word(at)}`;
      await client.ask("JOIN", [room]);
      await client.ask("SEND", [room], "x");
      await client.ask("LEAVE", [room]);
    }
  }));
}

async function makeHistory(port: number): Promise<void> {
  using client = await Client.connect(port);
  await client.ask("REGISTER", ["maker"]);
  await client.ask("JOIN", [LONG_ROOM]);
  const body = new Uint8Array(MESSAGE_BYTES).fill(0x78);
  for (let at = 0; at < MESSAGES; at++) {
    await client.ask("SEND", [LONG_ROOM], body);
  }
}
