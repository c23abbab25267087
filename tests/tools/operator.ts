/** What an operator types, without a terminal. */
import { completeCommand, runCommand } from "../../server/operator/console.ts";
import type { Desk } from "../../server/operator/desk.ts";
import type { Server } from "../../server/start.ts";

/** The operator's commands; `stopped` resolves after `stop`. */
export function consoleOf(server: Pick<Server, "context" | "backup">) {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  return {
    run: (line: string) => runCommand(desk(), line),
    complete: (line: string) => completeCommand(desk(), line),
    stopped,
  };
  function desk(): Desk {
    return { ...server.context, stop, backup: server.backup };
  }
}
