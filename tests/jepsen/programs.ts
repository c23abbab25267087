/**
 * Programs of the system that make faults, and the disks that they make.
 *
 * @module
 */

/** @throws {Error} With what the program said, if it fails. */
export async function runProgram(
  program: string,
  ...args: string[]
): Promise<void> {
  if (Deno.build.os !== "linux") throw new Error("only Linux has this");
  const { success, stderr } = await new Deno.Command(program, { args })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
}

/** Why a folder cannot be a disk of its own, if it is so. */
export async function whyNoDisk(folder: string): Promise<string | undefined> {
  try {
    await using _disk = await mount(folder, 2 ** 20);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : `${error}`;
  }
}

/** Makes `folder` a disk of its own, in memory. */
export async function mount(
  folder: string,
  bytes: number,
): Promise<AsyncDisposable> {
  await runProgram(
    ...[
      "mount",
      "-t",
      "tmpfs",
      "-o",
      `size=${bytes}`,
      "tmpfs",
      folder,
    ] as const,
  );
  return { [Symbol.asyncDispose]: () => runProgram("umount", folder) };
}

/** Writes a file until the disk has no more room. */
export async function fill(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  for (let size = 65_536; size >= 1;) {
    try {
      await file.write(new Uint8Array(size));
    } catch {
      size >>= 1;
    }
  }
}

/** Deletes all that is in a folder, but not the folder, which may be a disk. */
export async function empty(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.remove(`${folder}/${name}`, { recursive: true });
  }
}

/** Where Debian's package has the library that makes clocks wrong. */
const CLOCK_LIBRARIES: readonly string[] = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/** libfaketime, if it is installed. */
export async function findClockLibrary(): Promise<string | undefined> {
  for (const path of CLOCK_LIBRARIES) {
    const found = await Deno.stat(path).then(() => true, () => false);
    if (found) return path;
  }
  return undefined;
}
