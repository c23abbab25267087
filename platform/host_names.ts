/**
 * The names by which other computers reach this one.
 *
 * @module
 */

/**
 * The names of a computer of which the system says that it is called `hostname`:
 * with its domain and without, and the one that it has on the local network. They
 * are as in URLs and certificates: in lower case, and other letters than those of
 * ASCII in the form `xn--…`.
 *
 * A name that no URL can have is left out: macOS takes spaces and apostrophes, and
 * of digits alone a URL makes an address.
 */
export function hostNames(hostname: string): string[] {
  const full = hostname.replace(/\.$/, "");
  const [first = ""] = full.split(".", 1);
  const names = [full, first, `${first}.local`].map(inUrl);
  return [...new Set(names.filter((name) => name !== undefined))];
}

function inUrl(name: string): string | undefined {
  if (!/^[\p{L}\p{M}\p{N}_-]+(\.[\p{L}\p{M}\p{N}_-]+)*$/u.test(name)) {
    return undefined;
  }
  const host = URL.parse(`http://${name}`)?.hostname;
  return host === undefined || /^[\d.]+$/.test(host) ? undefined : host;
}

/**
 * The names by which browsers reach this computer. Only `hostname` without the
 * permission to read the others.
 *
 * @param hostname The address to listen on, which may be a name.
 */
export function ownNames(
  hostname: string,
  own: () => string | undefined = hostnameIfAllowed,
): string[] {
  const full = own();
  return full === undefined ? [hostname] : [hostname, ...hostNames(full)];
}

function hostnameIfAllowed(): string | undefined {
  const permission = { name: "sys", kind: "hostname" } as const;
  const { state } = Deno.permissions.querySync(permission);
  return state === "granted" ? Deno.hostname() : undefined; // and do not ask
}
