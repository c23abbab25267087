/**
 * Tools for the tests of direct sessions: pairs of streams and of channels, and
 * streams that can be recorded, changed and cut.
 *
 * @module
 */
import { Channel, type ChannelKeys } from "../../client/direct/channel.ts";
import type { ByteStream } from "../../core/net/stream.ts";
import {
  Agreement,
  commitmentTo,
  newKeyPair,
} from "../../client/direct/handshake.ts";
import { RecordKey } from "../../client/direct/record_key.ts";
import type { Bytes } from "../../core/scram.ts";
import { ClientProcess } from "./client_tools.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `text` as a record. */
export function record(text: string): Bytes {
  return encoder.encode(text);
}

/** Keys that fit each other, the first for the side that sends `"a"`. */
export async function keyPairs(
  maxBytes?: number,
): Promise<[ChannelKeys, ChannelKeys]> {
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const keys = async (sending: Bytes, receiving: Bytes) => ({
    sending: await RecordKey.from(sending, maxBytes),
    receiving: await RecordKey.from(receiving, maxBytes),
  });
  return [await keys(a, b), await keys(b, a)];
}

/** Both ends of a TCP connection. */
export async function tcpPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  return await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
}

/** Both ends of a channel over TCP. */
export async function channelPair(): Promise<[Channel, Channel]> {
  const [a, b] = await tcpPair();
  const [keysA, keysB] = await keyPairs();
  return [new Channel(a, keysA), new Channel(b, keysB)];
}

/** A stream whose other side has written `bytes` and then closed it. */
export function replay(
  bytes: Bytes,
  { pieceBytes = Infinity } = {},
): ByteStream {
  let at = 0;
  return {
    read(buffer) {
      if (at === bytes.length) return Promise.resolve(null);
      const end = at + Math.min(pieceBytes, buffer.length);
      const piece = bytes.subarray(at, end);
      buffer.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
}

/** What a channel writes for some records and its end: one write after another. */
export async function written(
  keys: ChannelKeys,
  records: readonly Bytes[],
): Promise<Bytes> {
  const parts: Bytes[] = [];
  const channel = new Channel({
    ...replay(new Uint8Array()),
    write(bytes) {
      parts.push(new Uint8Array(bytes));
      return Promise.resolve(bytes.length);
    },
  }, keys);
  await Promise.all(records.map((one) => channel.send(one)));
  await channel[Symbol.asyncDispose]();
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** What `channel` receives up to its end, as text. */
export async function receiveAll(channel: Channel): Promise<string[]> {
  const found: string[] = [];
  for await (const one of channel) found.push(decoder.decode(one));
  return found;
}

/** What both sides of a session know after CALL and ACCEPT. */
export async function agreements(): Promise<[Agreement, Agreement]> {
  const session = crypto.getRandomValues(new Uint8Array(16));
  const [caller, called] = [await newKeyPair(), await newKeyPair()];
  return [
    new Agreement({
      role: "caller",
      session,
      pair: caller,
      theirs: called.publicKey,
    }),
    new Agreement({
      role: "called",
      session,
      pair: called,
      theirs: await commitmentTo(caller.publicKey),
    }),
  ];
}

/** A client with plain lines, which listens on this computer alone. */
export function directClient(
  name: string,
  port: number,
  ...more: string[]
): ClientProcess {
  const host = ["--direct-host", "127.0.0.1"];
  return new ClientProcess(
    [name, `127.0.0.1:${port}`, "--plain", ...host, ...more],
  );
}

/** Alice has called, and bob accepted: the verification codes of both. */
export async function connectDirectly(
  alice: ClientProcess,
  bob: ClientProcess,
): Promise<string[]> {
  await Promise.all([alice, bob].map((one) => one.until("you joined")));
  await alice.type("/call bob\n");
  await bob.until("alice calls you from 127.0.0.1:");
  await bob.type("/accept\n");
  await Promise.all(
    // What stands behind the code: it may come in two pieces.
    [alice, bob].map((one) => one.until("sees another code")),
  );
  return [alice, bob].map((one) =>
    /by voice: (\d{3} \d{3})\./.exec(one.out)?.[1] ?? ""
  );
}
