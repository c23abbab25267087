/** The page with the permissions of the tasks, and those of docs/security.md. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { quietServer } from "../tools/client_tools.ts";
import { hashOf, noise, snapshot } from "../tools/file_tools.ts";
import {
  openAddress,
  openPageSocket,
  PagePlayer,
  servePage,
} from "../tools/page_player.ts";
import {
  denoDir,
  permissionsOf,
  readUntil,
  run,
} from "../tools/permissions.ts";
import { within } from "../tools/net/within.ts";
import { tempFolder } from "../tools/temp.ts";
import { needs } from "../tools/system/skips.ts";
import { SYSTEM } from "../../platform/system.ts";

const decoder = new TextDecoder();

/** The environment of a user before a screen. */
const DESKTOP = { DISPLAY: ":0", SSH_CONNECTION: "", WSL_DISTRO_NAME: "" };

/** Comes in over a WebSocket, and gives what is answered. */
async function register(socket: WebSocket): Promise<string> {
  socket.binaryType = "arraybuffer";
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.onopen = () => socket.send("REGISTER alice\n\n");
  socket.onmessage = ({ data }) => {
    const text = decoder.decode(data);
    if (text.includes(" ")) resolve(text); // the first word is the program's
  };
  socket.onclose = ({ reason }) => resolve(`closed: ${reason}`);
  const answer = await within(promise, () => "an answer");
  socket.close();
  return answer;
}

/** Ends a program, and gives what it has said besides. */
async function end(child: Deno.ChildProcess): Promise<string> {
  child.kill("SIGINT");
  await child.stdin.close();
  const { stderr } = await within(child.output(), () => "the end");
  return decoder.decode(stderr);
}

Deno.test("server.ts --web needs no more than its task allows", async () => {
  using folder = tempFolder();
  const args = ["--host", "127.0.0.1", "--port", "0", "--web-port", "0"];
  const permissions = permissionsOf("server", folder.path);

  const server = run("server", { permissions, args, cwd: folder.path });
  const url = await within(
    readUntil(server.stdout, /http:(\S+\/)\n/),
    () => "the page",
  );
  const page = await (await fetch(`http:${url}`)).text();
  const answer = await register(new WebSocket(`ws:${url}ws`));
  const complaints = await end(server);

  assertStringIncludes(page, "<title>Parley</title>");
  assert(answer.startsWith("REGISTERED alice\n"), answer);
  assertEquals(complaints, "");
});

/** `client.ts --gui` of somebody at home in `home`, and where its page is. */
async function openPage(
  home: string,
): Promise<{ program: Deno.ChildProcess; address: string }> {
  const opener = `${home}/xdg-open`;
  await Deno.writeTextFile(opener, "#!/bin/sh\n", { mode: 0o755 });
  const program = run("client", {
    permissions: [...permissionsOf("client", home), "--allow-run=xdg-open"],
    args: ["--gui", "--direct-host", "127.0.0.1"],
    cwd: home,
    env: {
      ...{ PATH: home, HOME: home, XDG_CONFIG_HOME: "", DENO_DIR: denoDir },
      ...DESKTOP,
    },
  });
  const address = await within(
    readUntil(program.stdout, /(http:\S+)\n/),
    () => "the page",
  );
  return { program, address };
}

Deno.test(needs("xdg-open", {
  name: "client.ts --gui needs besides to run the system's opener",
  fn: async () => {
    using folder = tempFolder();
    await using server = quietServer();
    const { program, address } = await openPage(folder.path);
    const path = `/ws?server=127.0.0.1&port=${server.port}`;
    const entry = await openAddress({ address });
    const answer = await register(openPageSocket({ address }, path, entry));
    const complaints = await end(program);

    assert(answer.startsWith("REGISTERED alice\n"), answer);
    assertEquals(complaints, "");
  },
}));

Deno.test(needs("xdg-open", {
  name: "files to and from the page of client.ts --gui need nothing besides",
  fn: async () => {
    using hers = tempFolder();
    using his = tempFolder();
    await using server = quietServer();
    await using page = servePage({ folder: his.path });
    const { program, address } = await openPage(hers.path);
    const [photo, notes] = [noise(100_000), noise(1_000)];
    {
      await using alice = await PagePlayer.enter(
        { address },
        server.port,
        "alice",
      );
      await using bob = await PagePlayer.enter(page, server.port, "bob");

      alice.drop("bob", { photo });
      bob.say({ type: "accept", transfer: await bob.card("offered") });
      await alice.told("Sent photo to bob (100 kB in ");
      bob.drop("alice", { notes });
      alice.say({ type: "accept", transfer: await alice.card("offered") });
      await alice.told(`: ${hers.path}/Downloads/notes`);
    }
    const complaints = await end(program);

    assertEquals(complaints, "");
    assertEquals(snapshot(his.path), { photo: hashOf(photo) });
    assertEquals(snapshot(`${hers.path}/Downloads`), { notes: hashOf(notes) });
  },
}));

Deno.test("client.ts --gui with the task's permissions says that it opens no browser", async () => {
  using folder = tempFolder();
  const child = run("client", {
    args: ["--gui"],
    cwd: folder.path,
    env: {
      ...DESKTOP,
      ...{ HOME: folder.path, XDG_CONFIG_HOME: "", DENO_DIR: denoDir },
    },
  });

  const [address, why] = await within(
    readUntil(
      child.stdout,
      /(http:\S+\n[^]*Cannot open a browser: .*)\n/,
    ).then((said) => said.split(/\n[^]*: /)),
    () => "what is said",
  );
  const complaints = await end(child);

  assert(address?.startsWith("http://127.0.0.1:"), address);
  const what = SYSTEM === "windows" ? "for it" : "to run xdg-open";
  assertEquals(
    why,
    `the program was started without permission ${what}. Open the address above.`,
  );
  assertEquals(complaints, "");
});
