/**
 * What the operator is told of the servers of one chat.
 *
 * @module
 */
import type { ClusterState } from "../session/session.ts";
import { type Desk, table } from "./desk.ts";

/** Lists the servers, and how the log in NATS is. */
export function cluster({ cluster }: Desk): string {
  if (!cluster) {
    return "This server is alone. To share its chat with others, see --nats.";
  }
  const state = cluster.state();
  const own = [
    `${state.server} (this server)`,
    `at ${state.sequence}`,
    behind(state.lag),
    state.isOpen ? "known to the others" : "taken for gone by the others",
  ];
  const others = state.others.map((other) => [
    other.server,
    `at ${other.sequence}`,
    behind(other.lag),
    `heard ${(other.heardMs / 1_000).toFixed(1)} s ago${difference(other)}`,
  ]);
  return [table([own, ...others]), "", ...log(state)].join("\n");
}

function behind(lag: number): string {
  return lag === 0 ? "up to date" : `${lag} behind`;
}

function entries(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "entry" : "entries"}`;
}

function difference({ agrees }: ClusterState["others"][number]): string {
  return agrees === false ? "; HAS OTHER ENTRIES" : "";
}

function log(state: ClusterState): string[] {
  const { hash, isConnected, nats, refused, stream, takesEntries } = state;
  const { longestMs, resent, stored, refused: refusedHere } = state.written;
  const replicas = Array.from(
    stream.replicas,
    ([name, isCurrent]) => isCurrent ? name : `${name} (behind)`,
  );
  const lines = [
    isConnected
      ? `NATS ${nats}: the log ends at ${stream.last}; leader ` +
        `${stream.leader ?? "none"}, replicas ${replicas.join(", ") || "none"}`
      : "The connection to NATS is lost. Users can read and cannot send.",
    `Hash of the log here: ${hash}`,
    `Written here: ${entries(stored)}, ${
      refusedHere.toLocaleString("en")
    } refused; ` +
    `longest wait ${(longestMs / 1_000).toFixed(2)} s, ` +
    `sent again ${resent.toLocaleString("en")} times`,
  ];
  if (isConnected && !takesEntries) {
    lines.push(
      "The log takes no entries: most servers of NATS seem to be gone.",
    );
  }
  if (refused > 0) {
    lines.push(
      `${refused} messages in the log did not count: see docs/cluster.md`,
    );
  }
  return lines;
}
