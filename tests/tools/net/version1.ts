/**
 * A thief's server: it shows a certificate with the public key of another server,
 * and does not have the key. X.509 version 1 is what makes clients that
 * stand on node:tls of Deno 2.9.6 not notice.
 */
import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:tls";

/** See the top of the file. */
export interface Thief extends AsyncDisposable {
  readonly port: number;
  /** The certificate that it shows, as PEM. */
  readonly cert: string;
  /** How many bytes of clients it could read. */
  readonly heard: number;
}

/** Starts one that pretends to have the key of `victim`, a certificate. */
export async function version1Server(victim: string): Promise<Thief> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = createPublicKey(victim)
    .export({ type: "spki", format: "der" });
  const content = sequence(
    der(0x02, [1]), // serial number
    ECDSA_WITH_SHA256,
    name("parley"),
    sequence(
      der(0x17, text("250101000000Z")),
      der(0x17, text("491231000000Z")),
    ),
    name("parley"),
    publicKey,
  );
  const signature = sign("sha256", content, privateKey);
  const bits = der(0x03, [0, ...signature]);
  const cert = pem(sequence(content, ECDSA_WITH_SHA256, bits));
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  let heard = 0;
  const server = createServer({ cert, key }, (socket) => {
    socket.on("data", (bytes) => heard += bytes.length);
    socket.on("error", () => {}); // the client has disconnected
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" ? address!.port : 0,
    cert,
    get heard() {
      return heard;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => server.close(() => resolve())),
  };
}

/** A value of ASN.1, as DER. */
function der(tag: number, content: ArrayLike<number>): Uint8Array {
  const { length } = content;
  const size = length < 128
    ? [length]
    : length < 256
    ? [0x81, length]
    : [0x82, length >> 8, length & 255];
  return Uint8Array.from([tag, ...size, ...Array.from(content)]);
}

function sequence(...parts: Uint8Array[]): Uint8Array {
  return der(0x30, parts.flatMap((part) => [...part]));
}

function name(commonName: string): Uint8Array {
  const attribute = sequence(COMMON_NAME, der(0x0c, text(commonName)));
  return sequence(der(0x31, attribute));
}

function text(ascii: string): Uint8Array {
  return new TextEncoder().encode(ascii);
}

function pem(bytes: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${bytes.toBase64()}\n-----END CERTIFICATE-----\n`;
}

const COMMON_NAME = der(0x06, [0x55, 4, 3]);
const ECDSA_WITH_SHA256 = sequence(
  der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]),
);
