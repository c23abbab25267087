/**
 * A room of a hundred that is told as much as it can take, with and without one
 * member that has stopped reading.
 *
 *     deno run -A bench/hostile/stuck.ts
 *
 * @module
 */
import {
  ChatError,
  concat,
  encode,
  type Frame,
  FrameDecoder,
} from "../../protocol.ts";
import { BenchServer } from "../peers/bench_server.ts";
import { cleanUp } from "../peers/processes.ts";

const MEMBERS = 100;
const MESSAGES = 30_000;
const AT_ONCE = 300;
const BODY_BYTES = 100;
const ROOM = "#full";

/** Measures both, twice, and tells; each on a server of its own. */
async function measure(): Promise<void> {
  for (const stuck of [0, 1, 0, 1]) {
    await using server = await BenchServer.start();
    const { perSecond, longestMs } = await tell(server.port, stuck);
    console.log(
      `a room of ${MEMBERS}, ${stuck} stuck: ${
        Math.round(perSecond / 1_000)
      },000 deliveries a second, none lost, no reader without any for over ${
        longestMs.toFixed(0)
      } ms`,
    );
  }
}

/** What became of it. */
interface Told {
  readonly perSecond: number;
  /** The longest that a reader waited for its next bytes. */
  readonly longestMs: number;
}

async function tell(port: number, stuckCount: number): Promise<Told> {
  const names = Array.from({ length: MEMBERS }, (_, i) => `member${i}`);
  const members = await Promise.all(
    names.map((name) => Member.enter(port, name)),
  );
  const [sender, ...others] = members;
  const stuck = others.splice(0, stuckCount);
  const startedAt = performance.now();
  const reading = others.map((member) => member.hearAll());
  await sender!.sayAll(); // there are more
  const waits = await Promise.all(reading);
  const seconds = (performance.now() - startedAt) / 1_000;
  await Promise.all(stuck.map((one) => one.isEnded()));
  for (const member of members) member[Symbol.dispose]();
  return {
    perSecond: MESSAGES * others.length / seconds,
    longestMs: Math.max(...waits),
  };
}

/** A member of the room. */
class Member implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #decoder = new FrameDecoder({ maxBodyBytes: 65_536 });

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async enter(port: number, name: string): Promise<Member> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay();
    const member = new Member(conn);
    await member.#write(encode("REGISTER", [name]));
    await member.#write(encode("JOIN", [ROOM]));
    await member.#hear((frame) => frame.verb === "JOINED");
    return member;
  }

  /** Says everything, as fast as it is answered, many at a time. */
  async sayAll(): Promise<void> {
    const message = encode("SEND", [ROOM], {}, new Uint8Array(BODY_BYTES));
    const batch = concat(Array.from({ length: AT_ONCE }, () => message));
    for (let said = 0; said < MESSAGES; said += AT_ONCE) {
      await this.#write(batch);
      let answered = 0;
      await this.#hear(({ verb }) => verb === "SENT" && ++answered === AT_ONCE);
    }
  }

  /** Hears everything; gives the longest wait for anything, in milliseconds. */
  async hearAll(): Promise<number> {
    let [heard, longest, at] = [0, 0, performance.now()];
    await this.#hear(({ verb }) => {
      const now = performance.now();
      longest = Math.max(longest, now - at);
      at = now;
      return verb === "FORWARD" && ++heard === MESSAGES;
    });
    return longest;
  }

  /** Reads at last what there is; resolves when the server has hung up. */
  async isEnded(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    while (await this.#conn.read(buffer).catch(() => null) !== null);
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }

  /** Goes through the frames until one is the last that is wanted. */
  async #hear(isLast: (frame: Frame) => boolean): Promise<void> {
    for (;;) {
      for (const frame of this.#decoder.frames()) {
        if (frame instanceof ChatError) throw frame;
        if (isLast(frame)) return;
      }
      const count = await this.#conn.read(this.#decoder.space());
      if (count === null) throw new Error("The server has hung up");
      this.#decoder.received(count);
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#conn.write(bytes.subarray(at));
    }
  }
}

if (import.meta.main) {
  try {
    await measure();
  } finally {
    cleanUp();
  }
}
