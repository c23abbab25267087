/**
 * A program that listens and does nothing else: what starting Deno costs at
 * least, to compare the start of a server with.
 *
 * @module
 */
if (import.meta.main) {
  const listener = Deno.listen({
    hostname: "127.0.0.1",
    port: Number(Deno.args[0]),
  });
  for await (const conn of listener) conn.close();
}
