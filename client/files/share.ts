/**
 * The folder that others may get files from: `--share FOLDER`.
 *
 * What is asked for is found by going down from the folder, part by part, and
 * what is found must lie exactly where its path says: a link anywhere on the
 * way leads somewhere else, and then there is no such file. That is looked at
 * again when the file is opened; see disk.ts.
 *
 * Who asks is never told whether something exists that is not shared.
 *
 * @module
 */
import { join, sep } from "node:path";
import { type Entry, FileFailure, inRecords } from "./records.ts";
import { systemReason } from "../view/system_error.ts";
import { pathParts } from "./names.ts";
import { type DiskSource, findSources } from "./disk.ts";
import type { Outgoing } from "./source.ts";

/** See the top of the file. */
export class SharedFolder {
  /** Where it is, without any link on the way. */
  readonly location: string;

  private constructor(location: string) {
    this.location = location;
  }

  /**
   * Shares the folder at `path`.
   *
   * @throws {FileFailure} If it is none.
   */
  static async open(path: string): Promise<SharedFolder> {
    try {
      const location = await Deno.realPath(path);
      if ((await Deno.stat(location)).isDirectory) {
        return new SharedFolder(location);
      }
    } catch (error) {
      throw new FileFailure(`Cannot share "${path}": ${systemReason(error)}`, {
        cause: error,
      });
    }
    throw new FileFailure(`Cannot share "${path}": it is no folder`);
  }

  /**
   * The file or folder at `path`, as the other side names it.
   *
   * @throws {FileFailure} If there is none inside the shared folder.
   */
  async find(path: string): Promise<Outgoing> {
    const none = new FileFailure(`Nothing called "${path}" is shared`);
    const parts = pathParts(path.replaceAll("\\", "/"));
    if (!parts) throw none;
    const location = join(this.location, ...parts);
    const found = await Deno.realPath(location).catch(() => undefined);
    if (found !== location) throw none;
    const outgoing = await readable(location);
    const inside = this.location + sep;
    if (outgoing.sources.every((one) => one.location.startsWith(inside))) {
      return outgoing;
    }
    throw none; // a link came in between
  }

  /** What it has, by path; of many, the first. */
  async list(): Promise<{ entries: Entry[]; more: number }> {
    const { sources } = await readable(this.location);
    const files = sources.filter(({ path }) => !path.endsWith("/"));
    const named = files.map(({ path, size }) => {
      return { item: 0, path: path.slice(path.indexOf("/") + 1), size };
    });
    const [entries = []] = inRecords(named);
    return { entries, more: files.length - entries.length };
  }
}

/** What there is to be sent; what goes wrong names no path of our disk. */
async function readable(location: string): Promise<Outgoing<DiskSource>> {
  try {
    return await findSources([location]);
  } catch (error) {
    if (!(error instanceof FileFailure && error.cause)) throw error;
    const reason = systemReason(error.cause);
    const message = `Cannot read what is shared: ${reason}`;
    throw new FileFailure(message, { cause: error });
  }
}
