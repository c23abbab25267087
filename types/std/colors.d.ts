/** What we use of `@std/fmt/colors`, which npm carries without types. */

/** Whether the functions below colour at all; never if NO_COLOR is set. */
export function setColorEnabled(value: boolean): void;
export function bold(str: string): string;
export function dim(str: string): string;
