/**
 * TLS over a socket, for HTTPS.
 *
 * The socket is paused while enough of its text waits to be read: see
 * tls/sealed_stream.ts. The records count before anything in them is understood.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import { RecordPace } from "../../tls/records.ts";
import { SealedStream, secureServerSide } from "../../tls/sealed_stream.ts";
import type { FrameMeter } from "./frames.ts";
import { pause } from "./waiting.ts";

/**
 * The server's side of TLS over `socket`, and closed with it. What is no text counts
 * for `meter`, if there is one.
 */
export function secured(
  socket: Socket,
  secureContext: SecureContext,
  meter: FrameMeter | undefined,
): TLSSocket {
  const below = new SealedStream((bytes, done) => {
    socket.write(bytes, (error) => {
      if (!error) done(); // otherwise the socket closes
    });
  });
  const secure = secureServerSide(below, secureContext);
  const pace = new RecordPace(
    meter && ((bytes) => {
      const waitMs = meter.count(bytes);
      return waitMs > 0 ? pause(socket, waitMs) : undefined;
    }),
  );
  let isFull = false;
  let isResting = false;
  const goOn = () => {
    if (!isFull && !isResting) socket.resume();
  };

  const push = secure.push.bind(secure);
  secure.push = (text: Uint8Array | null, encoding) => {
    pace.gave(text?.length ?? 0);
    isFull = !push(text, encoding) && text !== null;
    if (isFull) socket.pause();
    return true; // node:tls does not stop
  };
  const readMore = secure._read.bind(secure);
  secure._read = (bytes) => {
    readMore(bytes);
    isFull = false;
    goOn();
  };
  socket.on("data", (bytes) => {
    pace.came(bytes);
    below.emit("data", bytes);
    const rest = pace.rest();
    if (!rest) return;
    isResting = true;
    socket.pause();
    rest.then(() => {
      isResting = false;
      goOn();
    });
  });
  socket.once("end", () => below.emit("end"));
  socket.once("close", () => below.emit("close"));
  secure.on("error", () => {}); // "close" follows
  secure.once("secure", () => pace.isSecure = true);
  secure.once("close", () => socket.destroy());
  return secure;
}
