/**
 * How to open the page in a browser: addresses to type, and a QR code for the
 * camera of a phone.
 *
 * @module
 */
import { renderUnicodeCompact } from "uqr";
import { isLoopback } from "../../core/net/ip_address.ts";

/** What {@linkcode invitation} needs. */
export interface Invitation {
  /** The port of the page. */
  readonly port: number;
  /** The addresses of this computer. */
  readonly addresses: readonly string[];
  /** Whether it is HTTPS. */
  readonly secure: boolean;
  /** Whether guests are refused. */
  readonly requireLogin?: boolean;
  /** Whether to draw a QR code, which needs a terminal. */
  readonly draws: boolean;
}

/** The addresses of the page; the first that a phone can reach as a QR code. */
export function invitation(
  { port, addresses, secure, requireLogin, draws }: Invitation,
): string {
  const scheme = secure ? "https" : "http";
  // Browsers take no address with an interface.
  const usable = addresses.filter((address) => !address.includes("%"));
  const hosts = usable.map((address) =>
    address.includes(":") ? `[${address}]` : address
  );
  const urls = hosts.map((host) => new URL(`${scheme}://${host}:${port}`).href);
  const shared = urls.find((_, index) => !isLoopback(usable[index] ?? ""));
  const code = draws && shared !== undefined
    ? `\n${renderUnicodeCompact(shared, { border: 2 })}\n`
    : "";
  const lines = urls.map((url) => `  ${url}`).join("\n");
  const advice = requireLogin && !secure ? NO_SIGN_IN : "";
  return `In a browser, on a phone for example:\n\n${lines}\n${code}${advice}`;
}

/** Browsers have what passwords need (`crypto.subtle`) on such pages only. */
const NO_SIGN_IN =
  "\nOver HTTP, browsers sign in on this computer only. For others, add --tls.\n";
