/**
 * The folder that others may get files from: `--share FOLDER`.
 *
 * What is asked for is found by going down from the folder, part by part, and
 * must lie exactly where its path says: a link anywhere on the way leads
 * somewhere else, and then there is no such file. That is checked again when
 * the file is opened; see file_source.ts.
 *
 * The peer is never told whether something exists that is not shared.
 *
 * @module
 */
import { join, sep } from "node:path";
import { systemReason } from "../view/system_error.ts";
import { findFiles, type Outgoing } from "./file_source.ts";
import { type Entry, FileFailure, inRecords, pathParts } from "./records.ts";

/** What a shared folder has. */
export interface Listing {
  /** Files by their paths; all of item 0. */
  readonly entries: Entry[];
  /** How many more there are. */
  readonly more: number;
}

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
   * @throws {FileFailure} If it is not a folder.
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
    throw new FileFailure(`Cannot share "${path}": it is not a folder`);
  }

  /**
   * The file or folder at `path`, as the peer names it.
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
    const isInside = outgoing.sources.every(({ location }) =>
      location?.startsWith(inside)
    );
    if (!isInside) throw none; // a link was put there meanwhile
    return outgoing;
  }

  /** What it has, by path; of many, the first. */
  async list(): Promise<Listing> {
    const { sources } = await readable(this.location);
    const files = sources.filter(({ path }) => !path.endsWith("/"));
    const named = files.map((file) => (
      { ...file, path: file.path.slice(file.path.indexOf("/") + 1) }
    ));
    const [entries = []] = inRecords(named);
    return { entries, more: files.length - entries.length };
  }
}

/** What there is to be sent; a failure names no path of this disk. */
async function readable(location: string): Promise<Outgoing> {
  try {
    return await findFiles([location]);
  } catch (error) {
    if (!(error instanceof FileFailure && error.cause)) throw error;
    const reason = systemReason(error.cause);
    const message = `Cannot read what is shared: ${reason}`;
    throw new FileFailure(message, { cause: error });
  }
}
