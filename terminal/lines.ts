/**
 * Lines of standard input, for terminals that edit lines themselves, pipes and
 * files.
 *
 * @module
 */

/**
 * The lines without their LF or CR LF; the last one needs none.
 *
 * @param maxLine Of a longer line the rest is dropped, in characters.
 * @param transform Changes text as it was read, before it is cut into lines.
 */
export async function* readLines(
  maxLine: number,
  transform = (text: string): string => text,
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16_384);
  let rest = "";
  for (;;) {
    // It fails where there is no input, as nohup leaves it.
    const count = await Deno.stdin.read(buffer).catch(() => null);
    if (count === null) break;
    const part = buffer.subarray(0, count);
    const lines = transform(decoder.decode(part, { stream: true })).split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop()!.slice(0, maxLine); // there is always a last one
    for (const line of lines) yield line.replace(/\r$/, "");
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
