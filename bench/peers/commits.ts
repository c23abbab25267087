/**
 * Parley as it was at a commit, run from a git worktree in a temporary folder,
 * to compare the tree that one is working on with it.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

import { parleys, type Peer } from "./peers.ts";
import { doAtExit, makeTempDir } from "./processes.ts";

/** A variant of Parley and the commit that it is built from. */
export interface CommitPeer {
  /** As it was asked for: `parley@16bfe57`. */
  readonly name: string;
  /** A name of {@linkcode parleys}. */
  readonly variant: string;
  /** Anything that git takes for a commit: a hash, a branch, a tag, `HEAD~3`. */
  readonly commit: string;
}

/** What `VARIANT@COMMIT` means; undefined if it is not of that form. */
export function parseCommitPeer(name: string): CommitPeer | undefined {
  const [, variant, commit] = /^([^@]+)@(.+)$/.exec(name) ?? [];
  return variant && commit ? { name, variant, commit } : undefined;
}

/**
 * Makes a worktree for each of the commits, and peers that run the server there.
 * The worktrees are removed when the bench ends, however it ends.
 *
 * @throws {Error} if git is missing, or does not know one of the commits
 */
export async function checkOutPeers(
  wanted: readonly CommitPeer[],
): Promise<Peer[]> {
  const roots = new Map<string, string>();
  const peers: Peer[] = [];
  for (const { name, commit } of wanted) {
    const hash = await findCommit(commit);
    const root = roots.get(hash) ?? await checkOut(hash);
    roots.set(hash, root);
    const variants = parleys(`${root}/server.ts`, `@${commit}`);
    const found = variants.find((one) => one.name === name);
    if (!found) {
      const known = variants.map((one) => one.name).join(", ");
      throw new Error(`Cannot measure "${name}": there is ${known}`);
    }
    peers.push(found);
  }
  return peers;
}

async function findCommit(commit: string): Promise<string> {
  const { success, text } = await git(
    ...[
      "rev-parse",
      "--verify",
      "--quiet",
      "--end-of-options",
      `${commit}^{commit}`,
    ],
  );
  if (success) return text;
  const why = text || "this repository has no such commit";
  throw new Error(`Cannot measure commit "${commit}": ${why}`);
}

async function checkOut(hash: string): Promise<string> {
  const dir = await makeTempDir();
  doAtExit(() => removeWorktree(dir)); // before: Ctrl-C may come in between
  const { success, text } = await git("worktree", "add", "--detach", dir, hash);
  if (!success) throw new Error(`Cannot check out ${hash}: ${text}`);
  return dir;
}

function removeWorktree(dir: string): void {
  // Forced twice: git holds a worktree locked while it is being made.
  const args = ["worktree", "remove", "--force", "--force", dir];
  new Deno.Command("git", { args: ["-C", ROOT, ...args], stderr: "null" })
    .outputSync();
}

/** Runs git in this repository. `text`: what it wrote, or why it failed. */
async function git(
  ...args: string[]
): Promise<{ success: boolean; text: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command("git", {
      args: ["-C", ROOT, ...args],
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(success ? stdout : stderr).trim();
    return { success, text };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { success: false, text: "git is not installed" };
  }
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
