/**
 * Receivers like the programs that students of the course wrote. Each takes what
 * it reads in its own way, and answers RECEIVED, or 103 if it does not understand.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { bytes, RawClient } from "./raw_client.ts";
import { within } from "./within.ts";

/** A message as a receiver understood it, and what it has read beyond. */
interface Taken {
  readonly from: string;
  readonly text: string;
  readonly rest?: Uint8Array;
}

/** What a receiver makes of its bytes: "more" if it reads on, "wrong" for a 103. */
type Take = (held: Uint8Array) => Taken | "more" | "wrong";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads a head line by line, then as many bytes or characters as it says. */
function counting(
  divide: (body: Uint8Array, count: number) => [Uint8Array, Uint8Array],
  lengthOf: (body: Uint8Array) => number,
): Take {
  return (held) => {
    const [head, from = "", length] =
      /^FORWARD ([^\n]*)\nContent-length: (\d+)\n\n/.exec(
        decoder.decode(held),
      ) ?? [];
    if (head === undefined) {
      return decoder.decode(held).split("\n").length < 4 ? "more" : "wrong";
    }
    const body = held.subarray(bytes(head).length);
    if (lengthOf(body) < Number(length)) return "more";
    const [text, rest] = divide(body, Number(length));
    return { from: from.split(" ")[0]!, text: decoder.decode(text), rest };
  };
}

const characters = (body: Uint8Array) => Array.from(decoder.decode(body));

/** The five kinds of receiver that were seen, and one that counts bytes. */
export const KINDS = {
  "compares whole strings": (held) => {
    const read = decoder.decode(held);
    const from = read.slice("FORWARD ".length, read.indexOf("\n"));
    const text = read.slice(read.indexOf("\n\n") + 2);
    const length = [...text].length;
    const expected = `FORWARD ${from}\nContent-length: ${length}\n\n${text}`;
    return read === expected ? { from, text } : "wrong";
  },
  "counts characters": counting(
    (body, count) => [
      bytes(characters(body).slice(0, count).join("")),
      bytes(characters(body).slice(count).join("")),
    ],
    (body) => characters(body).length,
  ),
  "takes one read for one message": (held) => {
    const [head = "", ...body] = decoder.decode(held).split("\n\n");
    return { from: head.split(/[ \n]/)[1] ?? "", text: body.join("\n\n") };
  },
  "splits at line feeds": (held) => {
    const [start = "", , , text = "", ...more] = decoder.decode(held)
      .split("\n");
    const from = start.split(" ")[1] ?? "";
    return more.length > 0 || text === "" ? "wrong" : { from, text };
  },
  "answers 103 when in doubt": (held) => {
    const read = decoder.decode(held);
    const [, from, length, text] =
      /^FORWARD (\w+)\nContent-length: (\d+)\n\n([^\n]+)$/.exec(read) ?? [];
    if (from === undefined || text === undefined) return "wrong";
    return [...text].length === Number(length) ? { from, text } : "wrong";
  },
  "counts bytes": counting(
    (body, count) => [body.slice(0, count), body.slice(count)],
    (body) => body.length,
  ),
} satisfies Record<string, Take>;

/** A name of {@linkcode KINDS}. */
export type Kind = keyof typeof KINDS;

/** What {@linkcode CourseReceiver.next} gives for a message that it refused. */
export const REFUSED = "103";

/** A user whose receiving socket is played as one kind of program does. */
export class CourseReceiver implements Disposable {
  /** Every read so far. */
  readonly reads: string[] = [];
  readonly #in: Deno.TcpConn;
  readonly #out: RawClient;
  readonly #take: Take;
  #held: Uint8Array = new Uint8Array();

  private constructor(receiving: Deno.TcpConn, out: RawClient, kind: Kind) {
    this.#in = receiving;
    this.#out = out;
    this.#take = KINDS[kind];
  }

  /** Registers both sockets. */
  static async enter(
    port: number,
    name: string,
    kind: Kind,
  ): Promise<CourseReceiver> {
    const receiving = await Deno.connect({ hostname: "127.0.0.1", port });
    const out = await RawClient.connect(port);
    const receiver = new CourseReceiver(receiving, out, kind);
    const answer = await out.ask(`REGISTER TOSEND ${name}\n\n`);
    assertEquals(answer, `REGISTERED TOSEND ${name}\n\n`);
    await receiving.write(bytes(`REGISTER TORECV ${name}\n\n`));
    assertEquals(
      decoder.decode(await receiver.#read()),
      `REGISTERED TORECV ${name}\n\n`,
    );
    return receiver;
  }

  /** Takes the next message, and answers it; `name: text`, or {@linkcode REFUSED}. */
  async next(): Promise<string> {
    for (;;) {
      const taken = this.#held.length > 0 ? this.#take(this.#held) : "more";
      if (taken === "more") {
        const read = await this.#read();
        this.reads.push(decoder.decode(read));
        this.#held = new Uint8Array([...this.#held, ...read]);
        continue;
      }
      this.#held = new Uint8Array();
      if (taken === "wrong") {
        await this.#in.write(bytes("ERROR 103 Header Incomplete\n\n"));
        return REFUSED;
      }
      this.#held = taken.rest ?? this.#held;
      await this.#in.write(bytes(`RECEIVED ${taken.from}\n\n`));
      return `${taken.from}: ${taken.text}`;
    }
  }

  /** The next `count` messages. */
  async take(count: number): Promise<string[]> {
    const all: string[] = [];
    while (all.length < count) all.push(await this.next());
    return all;
  }

  [Symbol.dispose](): void {
    this.#in.close();
    this.#out.close();
  }

  async #read(): Promise<Uint8Array> {
    const buffer = new Uint8Array(65_536);
    const count = await within(this.#in.read(buffer), () => "nothing came");
    if (count === null) throw new Error("Cannot receive: the server ended");
    return buffer.slice(0, count);
  }
}
