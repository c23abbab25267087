/**
 * What a person with a phone has to type, or only to look at.
 *
 * @module
 */
import { renderUnicodeCompact } from "uqr";

/** What {@linkcode invitation} has to know. */
export interface Invitation {
  /** Where the page is served. */
  readonly port: number;
  /** Under which addresses this computer can be reached. */
  readonly addresses: readonly string[];
  /** Whether it is HTTPS. */
  readonly secure: boolean;
  /** Whether to draw a code for cameras: on a terminal. */
  readonly draws: boolean;
}

/** The addresses of the page, and the first that others can use as QR code. */
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
