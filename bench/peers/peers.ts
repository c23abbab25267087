/**
 * Every server that is measured: how it is started, configured and stopped.
 *
 * Each gets a configuration without limits against floods, a port of its own, and
 * a folder that is removed with it. A server that already runs on this machine is
 * not touched. The variants of Parley (stored, TLS)
 * are rows of {@linkcode parleys}.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

import {
  IRC,
  NATS,
  PARLEY,
  type Protocol,
  RELAY,
  type Transport,
} from "../load/protocols.ts";

/**
 * Parley, several of it with one chat, another server, or a program that only
 * copies bytes.
 */
export type PeerKind = "parley" | "cluster" | "server" | "relay";

/** One row of the comparison. */
export interface Peer {
  readonly name: string;
  readonly kind: PeerKind;
  readonly protocol: Protocol;
  /** The file that must exist, and the package that has it. */
  readonly needs: { file: string; hint: string };
  /** Written into the server's folder before it starts. */
  readonly config?: { file: string; text(place: Place): string };
  /** The program and its arguments. */
  command(place: Place): string[];
  /** How many connections it accepts at a time without loss; default 1,000. */
  readonly connectingAtOnce?: number;
  /** Refuses to run as root: started as the user nobody then. */
  readonly unprivileged?: boolean;
}

/** Where one server runs, and where the compiled programs of the bench are. */
export interface Place {
  readonly port: number;
  readonly dir: string;
  readonly toolsDir: string;
  /** One of several servers: the addresses of NATS, and its name. */
  readonly together?: { readonly nats: string; readonly name: string };
}

export const PEERS: readonly Peer[] = [
  ...parleys(here("../../server.ts")),
  {
    name: "nats-server",
    kind: "server",
    protocol: NATS,
    needs: { file: "nats-server", hint: "apt-get install nats-server" },
    config: { file: "nats.conf", text: natsConfig },
    command: ({ dir }) => ["nats-server", "-c", `${dir}/nats.conf`],
  },
  {
    name: "ngircd",
    kind: "server",
    protocol: IRC,
    needs: { file: "ngircd", hint: "apt-get install ngircd" },
    config: { file: "ngircd.conf", text: ngircdConfig },
    connectingAtOnce: 8, // its backlog is 10
    command: ({ dir }) => ["ngircd", "-n", "-f", `${dir}/ngircd.conf`],
    unprivileged: true,
  },
  {
    name: "inspircd",
    kind: "server",
    protocol: IRC,
    needs: { file: "inspircd", hint: "apt-get install inspircd" },
    config: { file: "inspircd.conf", text: inspircdConfig },
    command: ({ dir }) => [
      "inspircd",
      "--nofork",
      "--nolog",
      "--nopid",
      `--config=${dir}/inspircd.conf`,
    ],
    unprivileged: true,
  },
  {
    name: "relay (Deno)",
    kind: "relay",
    protocol: RELAY,
    needs: { file: here("./relay.ts"), hint: "part of this repository" },
    command: ({ port }) => deno("./relay.ts", `${port}`),
  },
  {
    name: "relay (C)",
    kind: "relay",
    protocol: RELAY,
    needs: { file: here("../load/relay.c"), hint: "part of this repository" },
    command: ({ port, toolsDir }) => [`${toolsDir}/relay`, `${port}`],
  },
];

/** A program that only listens, to compare the start of Parley with. */
export const EMPTY: Peer = {
  name: "empty script (Deno)",
  kind: "relay",
  protocol: RELAY,
  needs: { file: here("./empty.ts"), hint: "part of this repository" },
  command: ({ port }) => deno("./empty.ts", `${port}`),
};

/**
 * Parley as `script`, a server.ts, runs it: in memory, with a database, as three
 * servers with one chat, over TLS and over WebSocket. `suffix` tells the names of several trees apart.
 */
export function parleys(script: string, suffix = ""): Peer[] {
  const row = (
    name: string,
    transport: Transport | undefined,
    options: (place: Place) => string[],
  ): Peer => ({
    name: name + suffix,
    kind: "parley",
    protocol: transport ? { ...PARLEY, transport } : PARLEY,
    needs: { file: script, hint: "part of this repository" },
    command: (place) => [
      ...[Deno.execPath(), "run", "-A", script, "--host", "127.0.0.1"],
      ...["--no-limits", "--max-connections", "20000"],
      ...options(place),
    ],
  });
  const inMemory = ["--db", ":memory:"];
  const stored = ({ port, dir }: Place) => {
    return ["--port", `${port}`, "--db", `${dir}/parley.db`];
  };
  return [
    row("parley", undefined, ({ port }) => ["--port", `${port}`, ...inMemory]),
    row("parley-stored", undefined, stored),
    {
      ...row("parley-cluster", undefined, (place) => {
        const { nats, name } = place.together!; // cluster.ts gives it
        return [...stored(place), "--nats", nats, "--server-name", name];
      }),
      kind: "cluster",
    },
    row("parley-tls", "tls", ({ port }) => {
      return [
        "--port",
        "0",
        "--tls",
        "--tls-port",
        `${port}`,
        "--no-plain",
        ...inMemory,
      ];
    }),
    row("parley-ws", "websocket", ({ port }) => {
      return ["--port", "0", "--web", "--web-port", `${port}`, ...inMemory];
    }),
  ];
}

/** The path of a file, named relative to this one. */
function here(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** A command that runs a script of this repository. */
export function deno(script: string, ...args: string[]): string[] {
  return [Deno.execPath(), "run", "-A", here(script), ...args];
}

function natsConfig({ port }: Place): string {
  return `
host: 127.0.0.1
port: ${port}
max_connections: 65536
max_payload: 1MB
max_pending: 512MB
write_deadline: "30s"
ping_interval: "10m"
`;
}

function ngircdConfig({ port }: Place): string {
  return `
[Global]
Name = bench.example.net
Info = bench
AdminEMail = nobody@example.net
Listen = 127.0.0.1
Ports = ${port}
MotdPhrase = "."
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 30
MaxPenaltyTime = 0
PingTimeout = 3600
PongTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
`;
}

function inspircdConfig({ port, dir }: Place): string {
  const huge = 1_000_000_000;
  return `
<server name="bench.example.net" description="bench" network="bench">
<admin name="nobody" nick="nobody" email="nobody@example.net">
<bind address="127.0.0.1" port="${port}" type="clients">
<path datadir="${dir}" logdir="${dir}" runtimedir="${dir}">
<connect allow="*" timeout="60" pingfreq="3600" fakelag="off" threshold="${huge}"
  commandrate="${huge}" recvq="${huge}" softsendq="${huge}" hardsendq="${huge}"
  localmax="65536" globalmax="65536" maxconnwarn="off" limit="65536"
  resolvehostnames="no" useident="no" maxchans="100">
<performance softlimit="65536" somaxconn="4096" netbuffersize="65534"
  quietbursts="yes">
<limits maxnick="30" maxchan="64">
<options defaultmodes="nt" syntaxhints="no">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="none" target="/dev/null">
`;
}
