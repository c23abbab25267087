/**
 * Opens the page of `client.ts --gui` in the system's browser.
 *
 * The address has a key, and all users of a computer can read the arguments of a
 * program. So the browser is given a file that leads to the address, which only
 * its user can read, until the address was used. It is in the folder for
 * downloads: a browser in a sandbox reads no hidden folder, and not those of the
 * system.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { join, resolve } from "node:path";
import { HERE } from "../../platform/local_path.ts";
import {
  type Opener,
  openersOf,
  type Seat,
  seatOf,
} from "../../platform/opener.ts";
import { downloadsFolder } from "../files/downloads.ts";
import { systemReason, writeReason } from "../view/failure.ts";
import type { LocalPage } from "./local.ts";

/** What {@linkcode openBrowser} needs. */
export interface BrowserOptions {
  /** For the file, made if it is not there; default: the one for downloads. */
  readonly folder: string | undefined;
  /** Says how to open the page. */
  readonly print: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Says where the page is, and opens it if the user has a browser here; resolves
 * when it was opened, or cannot be opened.
 *
 * @throws What `signal` aborts with.
 */
export async function openBrowser(
  page: LocalPage,
  { folder, print, signal }: BrowserOptions,
): Promise<void> {
  const seat = seatOf();
  print(`${invitation(page.address, seat)}\nCtrl-C ends the chat.`);
  if (seat !== "desktop") return;
  const why = await open(page, folder ?? downloadsFolder(), signal);
  if (why) print(`Cannot open a browser: ${why}. Open the address above.`);
}

/**
 * What the user does with `address`.
 *
 * @param connection What SSH says: two addresses, each with its port.
 */
export function invitation(
  address: string,
  seat: Seat,
  connection = HERE.variable("SSH_CONNECTION"),
): string {
  if (seat === "desktop") {
    return `Open this address in a browser, if none opens: ${address}`;
  }
  if (seat === "headless") {
    return `Open this address in a browser of this computer: ${address}`;
  }
  const { port } = new URL(address);
  const [, , host = "SERVER", sshPort = "22"] = connection?.split(" ") ?? [];
  const at = sshPort === "22" ? host : `-p ${sshPort} ${host}`;
  return `Open this address in a browser: ${address}\n` +
    "You use SSH: first run this on your own computer:\n\n" +
    `  ssh -L ${port}:127.0.0.1:${port} ${at}\n`;
}

/** Opens the page; returns why it cannot. */
async function open(
  { address, opened }: LocalPage,
  folder: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const file = resolve(join(folder, `parley-${crypto.randomUUID()}.html`));
  try {
    await Deno.mkdir(folder, { recursive: true });
    const options = { createNew: true, mode: 0o600 };
    await Deno.writeTextFile(file, leadingTo(address), options);
  } catch (error) {
    return `nothing can be stored in ${folder}: ${writeReason(error)}`;
  }
  try {
    let why: string | undefined;
    for (const opener of openersOf(file)) {
      // A browser that the opener waits for uses the address before it ends.
      const used = opened.then(() => undefined);
      const started = Promise.race([start(opener), used]);
      why = await abortable(started, signal);
      if (why !== undefined) continue;
      await abortable(opened, signal);
      break;
    }
    return why;
  } finally {
    await Deno.remove(file).catch(() => {}); // the user may have removed it
  }
}

function leadingTo(address: string): string {
  return `<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=${address}">
<title>Parley</title>
<a href="${address}">To the chat</a>
`;
}

/** Runs a program that opens the file; returns why it has not. */
async function start(
  { command, args, cwd, exitCode }: Opener,
): Promise<string | undefined> {
  try {
    const { code } = await new Deno.Command(command, {
      args: [...args],
      ...(cwd === undefined ? {} : { cwd }),
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true, // the browser outlives this program
    }).spawn().status;
    if (code === 0 || exitCode === "ignored") return undefined;
    return `${command} ended with ${code}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `there is no ${command}`;
    if (error instanceof Deno.errors.NotCapable) {
      return `the program was started without permission to run ${command}`;
    }
    return `${command} does not start: ${systemReason(error)}`;
  }
}
