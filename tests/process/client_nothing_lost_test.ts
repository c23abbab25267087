/** Nothing is lost, said twice or out of order when connections break. */
import { assert, assertEquals } from "@std/assert";
import { allSent, checkNothingLost, historyOf } from "../tools/class_room.ts";
import { ClientProcess, quietServer } from "../tools/client_tools.ts";
import { FaultProxy, newSeed, seeded } from "../tools/net/fault_proxy.ts";
import { Process } from "../tools/server_process.ts";
import { enough, PUPILS } from "../tools/system/amounts.ts";
import { tempFolder } from "../tools/temp.ts";

Deno.test(`${PUPILS} clients in 5 rooms lose nothing while their connections are cut at random`, async () => {
  const seed = newSeed();
  await using server = quietServer();
  await using proxy = await FaultProxy.open({
    target: server.port,
    random: seeded(seed),
  });
  const classroom = {
    port: proxy.port,
    clients: PUPILS,
    rooms: 5,
    messages: enough(150),
  };

  try {
    await checkNothingLost(classroom, () => server.port, () => {
      proxy.bytesPerCut = enough(40_000);
      proxy.cutAll();
      return {
        [Symbol.asyncDispose]() {
          proxy.bytesPerCut = Infinity;
          proxy.cutAll(); // those that would still be cut
          return Promise.resolve();
        },
      };
    });
  } catch (cause) {
    throw new Error(`PARLEY_SEED=${seed}`, { cause });
  }

  assert(proxy.cuts > enough(100), `only ${proxy.cuts} cuts`);
});

/** How often the server is killed: with Wine it starts in half a minute. */
const KILLS = Math.max(3, enough(10));

Deno.test(`${PUPILS} clients in 5 rooms lose nothing while the server is killed ${KILLS} times`, async () => {
  using folder = tempFolder();
  await using server = new MortalServer(`${folder.path}/chat.db`);
  await using proxy = await FaultProxy.open({ target: await server.start() });
  const classroom = {
    port: proxy.port,
    clients: PUPILS,
    rooms: 5,
    messages: enough(150),
  };
  const total = classroom.clients * classroom.messages;

  await checkNothingLost(classroom, () => proxy.target, (pupils) => {
    const killing = (async () => {
      for (let kill = 1; kill <= KILLS; kill++) {
        await allSent(pupils, total * kill / (KILLS + 1));
        await server.kill();
        proxy.target = await server.start();
      }
    })();
    return { [Symbol.asyncDispose]: () => killing };
  });

  assertEquals(server.deaths, KILLS);
});

/** A server process with a file, to be killed and started again. */
class MortalServer implements AsyncDisposable {
  /** How often it was killed. */
  deaths = 0;
  readonly #file: string;
  #process: Process | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Gives the port. */
  async start(): Promise<number> {
    const where = ["--port", "0", "--host", "127.0.0.1"];
    this.#process = new Process([...where, "--db", this.#file]);
    return await this.#process.port();
  }

  async kill(): Promise<void> {
    await this.#process?.stop("SIGKILL");
    await this[Symbol.asyncDispose]();
    this.deaths++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
    this.#process = undefined;
  }
}

Deno.test("client.ts < book arrives whole and in order, though its connection is cut again and again", async () => {
  const seed = newSeed();
  const lines = Array.from({ length: 4_000 }, (_, i) => `line ${i} of a book`);
  await using server = quietServer();
  await using proxy = await FaultProxy.open({
    target: server.port,
    random: seeded(seed),
  });
  await using client = new ClientProcess(["alice", `127.0.0.1:${proxy.port}`]);
  await client.until("you joined #default");

  proxy.bytesPerCut = 50_000; // of about 600,000
  proxy.cutAll();
  await client.type(lines.map((line) => `${line}\n`).join(""));
  const { code, err } = await client.end();

  assertEquals([code, err], [0, ""], `PARLEY_SEED=${seed}`);
  const kept = await historyOf(server.port, "#default");
  assertEquals(kept, lines.map((line) => `alice: ${line}`), `seed ${seed}`);
  assert(proxy.cuts > 1, `only ${proxy.cuts} cuts`);
});
