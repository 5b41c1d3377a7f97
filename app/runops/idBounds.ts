/** Ids are ordered by time within their shape, so a span of time is one range of ids a shape. */
import { encodeBase32Hex } from "../utils/ids";

const CONTROL_MS_CHARS = 9;
const RUN_OPS_MS_CHARS = 10;

/** The smallest ids of that millisecond: of 25 characters, and of 27. */
export function idBounds(at: Date): [string, string] {
  return [`c${encodeBase32Hex(at.getTime(), CONTROL_MS_CHARS)}`, encodeBase32Hex(at.getTime(), RUN_OPS_MS_CHARS)];
}
