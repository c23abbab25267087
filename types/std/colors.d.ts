/** What we use of `@std/fmt/colors`, which npm carries without types. */

/** Whether the functions below colour at all; without, they return `str`. */
export function setColorEnabled(value: boolean): void;
export function bold(str: string): string;
export function dim(str: string): string;
export function inverse(str: string): string;
export function red(str: string): string;
export function green(str: string): string;
/** @param color One of the terminal's 256 colours. */
export function rgb8(str: string, color: number): string;
export function stripAnsiCode(str: string): string;
