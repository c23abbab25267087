/**
 * How to open the page in a browser: addresses to type, and a QR code for the
 * camera of a phone.
 *
 * @module
 */
import { renderUnicodeCompact } from "uqr";

/** What {@linkcode invitation} needs. */
export interface Invitation {
  /** The port of the page. */
  readonly port: number;
  /** The addresses of this computer. */
  readonly addresses: readonly string[];
  /** Whether it is HTTPS. */
  readonly secure: boolean;
  /** Whether to draw a QR code, which needs a terminal. */
  readonly draws: boolean;
}

/** The addresses of the page; the first that a phone can reach as a QR code. */
export function invitation(
  { port, addresses, secure, draws }: Invitation,
): string {
  const scheme = secure ? "https" : "http";
  const hosts = addresses.map((address) =>
    address.includes(":") ? `[${address}]` : address
  );
  const urls = hosts.map((host) => new URL(`${scheme}://${host}:${port}`).href);
  const shared = urls.find((_, index) => !isLocal(addresses[index] ?? ""));
  const code = draws && shared !== undefined
    ? `\n${renderUnicodeCompact(shared, { border: 2 })}\n`
    : "";
  const lines = urls.map((url) => `  ${url}`).join("\n");
  return `In a browser, on a phone for example:\n\n${lines}\n${code}`;
}

function isLocal(address: string): boolean {
  return /^127\.|^::1$|^localhost$/.test(address);
}
