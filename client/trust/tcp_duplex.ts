/**
 * A TCP connection of Deno, as node:tls wants it.
 *
 * node:tls could connect by itself. But in Deno 2.9.6 it refuses link-local addresses,
 * whose zone it does not know, and it tries the addresses of a host one after the
 * other, each for half a second, where `Deno.connect` lets them compete.
 *
 * @module
 */
import { Duplex } from "node:stream";
import { writeAll } from "../../core/net/stream.ts";

/** What one read may hold: one record of TLS, and a bit. */
const READ_BYTES = 17 * 1024;

/**
 * Takes over `conn`, and closes it when it is destroyed. It reads when `room` resolves:
 * node:tls itself reads on, however much of its text waits.
 */
export function duplexOf(
  conn: Deno.TcpConn,
  room: () => Promise<void>,
): Duplex {
  const buffer = new Uint8Array(READ_BYTES);
  return new Duplex({
    read() {
      room().then(() => conn.read(buffer)).then(
        (count) => this.push(count === null ? null : buffer.slice(0, count)),
        (error) => this.destroy(error),
      );
    },
    write(bytes: Uint8Array, _encoding, done) {
      writeAll(conn, bytes).then(() => done(), done);
    },
    final(done) {
      conn.closeWrite().then(() => done(), done);
    },
    destroy(error, done) {
      conn[Symbol.dispose](); // also twice
      done(error);
    },
  });
}
