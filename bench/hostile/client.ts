/**
 * A client of our own protocol for measurements: it asks one thing at a time,
 * and hands on what is forwarded to it.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  FrameDecoder,
  frames,
  header,
  type RequestVerb,
} from "../../protocol.ts";

/** A connection on which one thing is asked at a time. */
export class Client implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #onForward: (frame: Frame) => void;
  #answered: ((frame: Frame) => void) | undefined;

  private constructor(conn: Deno.TcpConn, onForward: (frame: Frame) => void) {
    this.#conn = conn;
    this.#onForward = onForward;
  }

  static async connect(
    port: number,
    onForward: (frame: Frame) => void = () => {},
  ): Promise<Client> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay();
    const client = new Client(conn, onForward);
    client.#read().catch(() => {}); // it ends when we close it
    return client;
  }

  async ask(
    verb: RequestVerb,
    args: string[],
    body?: Uint8Array | string,
  ): Promise<Frame> {
    const { promise, resolve } = Promise.withResolvers<Frame>();
    this.#answered = resolve;
    const request = encode(verb, args, {}, body);
    for (let at = 0; at < request.length;) {
      at += await this.#conn.write(request.subarray(at));
    }
    const answer = await promise;
    if (answer.verb === "ERROR") {
      throw new Error(`${verb} ${args}: ${header(answer, "reason")}`);
    }
    return answer;
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }

  async #read(): Promise<void> {
    const decoder = new FrameDecoder({ maxBodyBytes: 65_536 });
    for await (const batch of frames(this.#conn, decoder)) {
      for (const frame of batch) {
        if (frame instanceof ChatError) throw frame;
        if (frame.verb === "FORWARD") this.#onForward(frame);
        else if (frame.verb !== "NOTICE" && frame.verb !== "PING") {
          this.#answered?.({ ...frame, body: frame.body.slice() });
        }
      }
    }
  }
}
