/**
 * A class whose desks have different systems: the server for Windows with ten clients
 * on Linux, and the server on Linux with five clients for Windows and one on Linux.
 * Deno's build for Windows runs with Wine, in processes of its own.
 *
 * These tests start programs of Linux and of Windows: `deno task test:windows`.
 */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { ClientProcess } from "../tools/client_tools.ts";
import { connectDirectly } from "../tools/direct_tools.ts";
import { writeFiles } from "../tools/file_tools.ts";
import { lastingPort } from "../tools/net/test_server.ts";
import { Process } from "../tools/server_process.ts";

const TOP = fileURLToPath(new URL("../../", import.meta.url));

/** A folder below the project: programs on both systems reach it from there. */
function sharedFolder(): { path: string } & Disposable {
  Deno.mkdirSync(`${TOP}dist`, { recursive: true });
  const made = Deno.makeTempDirSync({ dir: `${TOP}dist`, prefix: "class-" });
  return {
    path: made.slice(TOP.length),
    [Symbol.dispose]: () => Deno.removeSync(made, { recursive: true }),
  };
}

/** A server that keeps its ports, its messages and its certificate. */
class LastingServer implements AsyncDisposable {
  readonly port = lastingPort();
  readonly tlsPort = lastingPort();
  readonly #options: string[];
  readonly #windows: boolean;
  #process: Process | undefined;

  constructor(folder: string, windows: boolean) {
    this.#windows = windows;
    this.#options = [
      ...["--host", "127.0.0.1", "--port", `${this.port}`, "--tls"],
      ...["--tls-port", `${this.tlsPort}`, "--db", `${folder}/chat.db`],
    ];
  }

  /** Starts it; gives the fingerprint of its certificate. */
  async start(): Promise<string> {
    const setting = { windows: this.#windows };
    this.#process = new Process(this.#options, setting);
    const [, fingerprint = ""] = await this.#process.out.until(
      /^ +([0-9A-F:]{95})$/m,
    );
    return fingerprint;
  }

  /** Ends it as `kill -9` does. */
  async kill(): Promise<void> {
    await this.#process?.stop("SIGKILL");
    await this.#process?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** One person of the class, and the system of its desk. */
interface Pupil {
  readonly name: string;
  readonly windows: boolean;
  readonly tls: boolean;
}

/** So many people, every second of them over TLS; the first has an account. */
function pupils(count: number, isWindows: (n: number) => boolean): Pupil[] {
  return Array.from({ length: count }, (_, n) => ({
    name: ["alice", "bob"][n] ?? `pupil${n}`,
    windows: isWindows(n),
    tls: n % 2 === 0,
  }));
}

/** Opens the client of `pupil`, and waits until it has joined. */
async function enter(
  { name, windows, tls }: Pupil,
  { port, tlsPort }: LastingServer,
  ...more: string[]
): Promise<ClientProcess> {
  const client = new ClientProcess(
    [
      ...[name, `127.0.0.1:${tls ? tlsPort : port}`, "--plain"],
      ...["--direct-host", "127.0.0.1", ...more],
    ],
    {},
    { windows },
  );
  await client.until("you joined #default");
  return client;
}

/** Each of `clients` says something; waits until all have read all of it. */
async function talk(
  clients: readonly ClientProcess[],
  room: string,
  what: string,
): Promise<void> {
  for (const [n, client] of clients.entries()) {
    await client.type(`${what} ${n} é 你 👍\n`);
  }
  for (const client of clients) {
    for (const n of clients.keys()) await client.until(`${what} ${n} é 你 👍`);
    assert(client.out.includes(`${room} `), client.out);
  }
}

/** `from` sends a file to `to`, who is `name` and gets it whole into `folder`. */
async function sendFile(
  [from, to]: readonly [ClientProcess, ClientProcess],
  { path, name, folder }: { path: string; name: string; folder: string },
): Promise<void> {
  await from.type(`/send ${name} "${path}"\n`);
  await to.until(" offers ");
  await to.type("/accept\n");
  await from.until("Sent ");
  await to.until("Received ");
  const file = path.slice(path.lastIndexOf("/") + 1);
  assertEquals(
    Deno.readFileSync(`${TOP}${folder}/${file}`),
    Deno.readFileSync(TOP + path),
  );
}

/** A lesson: accounts, rooms, TLS, files between the first two, and a crash. */
async function lesson(
  server: LastingServer,
  people: readonly Pupil[],
  folder: string,
): Promise<void> {
  const fingerprint = await server.start();
  const password = ["--password-file", `${folder}/password`];
  Deno.writeTextFileSync(`${TOP}${folder}/password`, "a pencil, grey\n", {
    mode: 0o600,
  });
  for (const n of [0, 1]) Deno.mkdirSync(`${TOP}${folder}/desk${n}`);
  writeFiles(`${TOP}${folder}`, { "notes ü.pdf": 3_000_000, "plan.txt": 10 });
  const options = (pupil: Pupil, n: number) => [
    ...(pupil.tls ? ["--tls", "--fingerprint", fingerprint] : []),
    ...(n === 0 ? ["--login", ...password] : []),
    ...(n < 2 ? ["--downloads", `${folder}/desk${n}`] : []),
  ];
  await using clients = new AsyncDisposableStack();

  // The first makes an account, leaves, and signs in.
  const [first, ...others] = people;
  const tls = ["--tls", "--fingerprint", fingerprint];
  const signUp = await enter(first!, server, ...tls, "--signup", ...password);
  assertEquals((await signUp.end()).code, 0);
  const all = [await enter(first!, server, ...options(first!, 0))];
  for (const [n, pupil] of others.entries()) {
    all.push(await enter(pupil, server, ...options(pupil, n + 1)));
  }
  for (const client of all) clients.use(client);
  await talk(all, "#default", "hello");
  for (const client of all) await client.type("/join #lab\n");
  for (const client of all) await client.until("you joined #lab");
  await talk(all, "#lab", "in the lab");

  const [alice, bob] = all as [ClientProcess, ClientProcess];
  const [code, other] = await connectDirectly(alice, bob);
  assertEquals(code, other);
  await sendFile([alice, bob], {
    path: `${folder}/notes ü.pdf`,
    name: "bob",
    folder: `${folder}/desk1`,
  });
  await sendFile([bob, alice], {
    path: `${folder}/plan.txt`,
    name: "alice",
    folder: `${folder}/desk0`,
  });

  await server.kill();
  for (const client of all) await client.until("Reconnecting");
  assertEquals(await server.start(), fingerprint);
  for (const client of all) await client.until("* Reconnected");
  await talk(all, "#lab", "after the crash");

  all.at(-1)!.kill("SIGKILL");
  await alice.until(`${people.at(-1)!.name} went offline`);
  const last = await enter(
    people.at(-1)!,
    server,
    ...options(people.at(-1)!, 9),
  );
  clients.use(last);
  await last.type("/join #lab\n");
  await last.until("you joined #lab");
  await talk([...all.slice(0, -1), last], "#lab", "all are back");
}

Deno.test("a class of ten on Linux works with a server on Windows", async () => {
  using folder = sharedFolder();
  await using server = new LastingServer(folder.path, true);
  await lesson(server, pupils(10, () => false), folder.path);
});

Deno.test("a class of five on Windows and one on Linux works with a server on Linux", async () => {
  using folder = sharedFolder();
  await using server = new LastingServer(folder.path, false);
  await lesson(server, pupils(6, (n) => n !== 1), folder.path);
});
