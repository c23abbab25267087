/**
 * A server of a cluster that has nothing but its log, as a process: it does what
 * it is told on its input, in lines of JSON, and prints what became of it.
 *
 *     deno run -A log_process.ts NAME DATABASE NATS...
 */
import { TextLineStream } from "@std/streams/text-line-stream";
import { Database } from "../../server/journal/database.ts";
import type { MessagesEntry } from "../../server/journal/entries.ts";
import { connectNats } from "../../server/cluster/nats.ts";
import { openLog } from "../../server/cluster/log/open_log.ts";
import type { Claim } from "../../server/cluster/log/name_claims.ts";

/** What a process is told to do. */
export type Order =
  | { readonly say: string }
  | { readonly claim: string; readonly takesOver?: boolean }
  | { readonly release: string }
  | { readonly show: true };

/** What a process tells. */
export type Report =
  | { readonly ready: string; readonly sequence: number }
  | { readonly said: string; readonly id: number }
  | { readonly won: string }
  | { readonly lost: string }
  | { readonly refused: string; readonly code: number | string }
  | { readonly gone: string }
  | { readonly log: string }
  | { readonly failed: string }
  | {
    readonly texts: readonly string[];
    readonly names: readonly string[];
    readonly sequence: number;
    readonly hash: string;
    readonly peers: readonly string[];
  };

const KEEP = { forMs: 30 * 24 * 3_600_000, bytes: 500_000_000 };

const encoder = new TextEncoder();

function report(what: Report): void {
  Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(what)}\n`));
}

function fail(error: unknown): never {
  report({ failed: (error as Error).message });
  Deno.exit(3);
}

async function main([server, path, ...servers]: string[]): Promise<void> {
  const log = (line: string) => report({ log: line });
  const database = new Database(path!, log);
  database.prepare(
    "CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text TEXT)",
  ).run();
  const insert = database.prepare("INSERT INTO texts (text) VALUES (?)");
  const nats = await connectNats({ servers, name: server!, log });
  const replicated = await openLog({
    ...{ nats, database, db: path!, keep: KEEP, cluster: "test" },
    ...{ server: server!, log, fail },
  });
  const append = replicated.register("messages", {
    change: ({ drafts }: MessagesEntry) =>
      drafts.map(({ body }) =>
        insert.run(new TextDecoder().decode(body)).lastInsertRowid
      ),
    applied: (_entry, ids) => ids.map(Number),
  });
  await replicated.start({
    addresses: [`${server}:9898`],
    gone: ({ server }) => report({ gone: server }),
  });
  const { sequence } = replicated.status;
  report({ ready: replicated.epoch ?? "", sequence });
  const claims = new Map<string, Claim>();
  const refuse = (what: string) => (error: Error & { code?: number }) =>
    report({ refused: what, code: error.code ?? error.name });
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const order: Order = JSON.parse(line);
    if ("say" in order) {
      const drafts = [{ to: "#all", body: encoder.encode(order.say) }];
      append({ from: server!, at: 0, keysSince: 0, drafts }).then(
        ([id]) => report({ said: order.say, id: id! }),
        refuse(order.say),
      );
    } else if ("claim" in order) {
      const { claim: name, takesOver = false } = order;
      const lost = () => report({ lost: name });
      replicated.claims.claim(name, { takesOver, lost }).then((claim) => {
        claims.set(name, claim);
        report({ won: name });
      }, refuse(name));
    } else if ("release" in order) {
      claims.get(order.release)?.[Symbol.dispose]();
    } else {
      const texts = database.prepare("SELECT text FROM texts ORDER BY id")
        .all();
      const names = database.prepare("SELECT * FROM claims").all();
      const { sequence, hash } = replicated.status;
      report({
        texts: texts.map(({ text }) => String(text)),
        names: names.map(({ name, server }) => `${name} ${server}`),
        ...{ sequence, hash },
        peers: replicated.peers.map((peer) => peer.server).sort(),
      });
    }
  }
  await replicated[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
  database.close();
}

if (import.meta.main) await main(Deno.args).catch(fail);
