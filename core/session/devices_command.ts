/**
 * `/devices`, in both clients.
 *
 * @module
 */
import type { CommandClient } from "../command_client.ts";
import { rowsOf } from "../frames.ts";
import { sanitize } from "../text/sanitize.ts";

/** Lists the devices of the account, or ends one. */
export async function runDevices(
  client: CommandClient,
  rest: string,
): Promise<void | "usage"> {
  const [, number] = /^(?:end +#?(\d{1,2}))?$/.exec(rest) ?? [];
  if (rest !== "" && number === undefined) return "usage";
  const words = number === undefined ? [] : ["end", number];
  const answer = await client.server.request("DEVICES", words);
  client.answer(deviceLines(rowsOf(answer)));
}

/** The devices of an account, as lines of the server have them. */
function deviceLines(rows: readonly [string, string][]): string[] {
  return [
    `Connected devices of your account: ${rows.length}`,
    ...rows.map(([number, rest]) => {
      const [since = "", address = "", state = "", ...client] = rest.split(" ");
      const at = new Date(since);
      const words = [
        `  ${number}`,
        Number.isNaN(at.getTime()) ? "" : `since ${at.toLocaleString()}`,
        `at ${address}`,
        client.join(" "),
        state === "this" ? "(this one)" : state === "lost" ? "(away)" : "",
      ];
      return sanitize(words.filter((word) => word !== "").join("  "));
    }),
  ];
}
