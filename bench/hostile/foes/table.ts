/**
 * All foes.
 *
 * @module
 */
import { COSTLY } from "./costly.ts";
import type { Foe } from "./foe.ts";
import { HANDSHAKES } from "./handshakes.ts";
import { HTTP } from "./http.ts";
import { SHARES } from "./shares.ts";
import { SLOW } from "./slow.ts";
import { WEBSOCKETS } from "./websockets.ts";

/** In the order of the report. */
export const FOES: readonly Foe[] = [
  ...HTTP,
  ...HANDSHAKES,
  ...WEBSOCKETS,
  ...SHARES,
  ...COSTLY,
  ...SLOW,
];
