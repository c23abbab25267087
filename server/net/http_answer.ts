/**
 * The answer to a browser on the port of the chat, which speaks HTTP. Loaded with
 * the first such request.
 *
 * @module
 */

/** Where the web client is. */
export interface Page {
  readonly port: number;
  /** Whether it is HTTPS. */
  readonly secure: boolean;
}

/** What {@linkcode httpAnswer} needs. */
export interface HttpRequest {
  /** The value of `Host`, which can be any text. */
  readonly host: string | undefined;
  /** Undefined for a server without the web client. */
  readonly page: Page | undefined;
}

/** An HTTP/1.1 response that says where the web client is, or how to get one. */
export function httpAnswer({ host, page }: HttpRequest): Uint8Array {
  const text = `This is the port of the chat. ${adviceFor(host, page)}\n`;
  return encoder.encode(
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n" +
      "X-Content-Type-Options: nosniff\r\n" +
      `Content-Length: ${encoder.encode(text).length}\r\n` +
      `Connection: close\r\n\r\n${text}`,
  );
}

function adviceFor(host: string | undefined, page: Page | undefined): string {
  if (!page) {
    return "This server has no web page. Use the client in a terminal, or ask " +
      "the operator to start the server with --web.";
  }
  const scheme = page.secure ? "https" : "http";
  const url = URL.parse(`${scheme}://${host ?? ""}`);
  if (!url) return `The web page is on port ${page.port}, over ${scheme}.`;
  const place = `${scheme}://${url.hostname}:${page.port}/`;
  return `The web page is at ${place}`;
}

const encoder = new TextEncoder();
