/** Programs with exactly the permissions that their tasks give them. */
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };

const root = fileURLToPath(new URL("../../", import.meta.url));
const decoder = new TextDecoder();

/** Where Deno keeps modules: at home, unless it is told. */
export const { denoDir }: { denoDir: string } = JSON.parse(decoder.decode(
  (await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] })
    .output()).stdout,
));

/**
 * The permissions that a task gives to a user whose home folder is `home`, and
 * whose environment has `variables`.
 */
export function permissionsOf(
  task: "server" | "client",
  home: string,
  variables: Readonly<Record<string, string>> = { HOME: home },
): string[] {
  return wordsOf(task)
    .filter((word) => word.startsWith("--allow-"))
    .map((word) =>
      word.replace(/\$(\w+)/g, (_, name) => variables[name] ?? "")
    );
}

/** The options of V8 that a task gives to its program, as one of Deno. */
export function v8FlagsOf(task: "server" | "client"): string[] {
  return wordsOf(task).filter((word) => word.startsWith("--v8-flags="));
}

function wordsOf(task: "server" | "client"): string[] {
  const words = config.tasks[task].command.matchAll(/"([^"]*)"|\S+/g);
  return Array.from(words, ([word, quoted]) => quoted ?? word);
}

/** Runs a program in `cwd` with `permissions`, by default those of its task. */
export function run(
  program: "server" | "client",
  { permissions, args, ...place }: {
    permissions?: readonly string[];
    args: readonly string[];
    cwd: string;
    env?: Record<string, string>;
  },
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--cached-only", ...v8FlagsOf(program)],
      ...["--config", `${root}deno.json`],
      ...permissions ?? permissionsOf(program, place.cwd),
      `${root}${program}.ts`,
      ...args,
    ],
    ...place,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Reads until `pattern` is there. */
export async function readUntil(
  stream: ReadableStream<Uint8Array>,
  pattern: RegExp,
): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream.values({ preventCancel: true })) {
    text += decoder.decode(chunk, { stream: true });
    // Only whole lines: one may come in pieces.
    const lines = text.slice(0, text.lastIndexOf("\n") + 1);
    const [, found] = pattern.exec(lines) ?? [];
    if (found !== undefined) return found;
  }
  throw new Error(`Cannot find ${pattern} in "${text}"`);
}
