/** Requests to the web server, byte for byte. */

/** A request to `host`, with these lines; gives what is answered until the end. */
export async function ask(
  port: number,
  lines: readonly string[],
  host = "127.0.0.1",
): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = [...lines, `Host: ${host}:${port}`, "", ""].join("\r\n");
  await conn.write(new TextEncoder().encode(request));
  let text = "";
  for await (const chunk of conn.readable) {
    text += new TextDecoder().decode(chunk);
    if (text.startsWith("HTTP/1.1 101")) break; // which has no end
  }
  return text;
}

/** The lines that ask for a WebSocket. */
export const UPGRADE: readonly string[] = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
