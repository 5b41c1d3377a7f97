/** Decoding of stored packets for people: the API's run object and the dashboard. Workers get packets verbatim. */

/**
 * The plain JSON value of a packet. Rejects on text that is not what its type says. `application/store` cannot be
 * decoded here: its data is a path.
 */
export async function decodePacket(data: string, type: string): Promise<unknown> {
  if (type === "application/json") return JSON.parse(data);
  if (type === "text/plain") return data;
  if (type === "application/super+json") return decodeSuperJson(data);
  return data;
}

/** As `decodePacket`, but what cannot be decoded is shown as the text it is. */
export async function showPacket(data: string, type: string): Promise<unknown> {
  try {
    return await decodePacket(data, type);
  } catch {
    return data;
  }
}

/** Without `meta` the JSON part is the value, which spares most packets the library (43 MB resident). */
async function decodeSuperJson(data: string): Promise<unknown> {
  const outer: unknown = JSON.parse(data);
  if (typeof outer !== "object" || outer === null) return outer;
  if (!("meta" in outer) || outer.meta === undefined) return "json" in outer ? outer.json : undefined;
  const { parsePacketAsJson } = await import("@trigger.dev/core/v3/utils/ioSerialization");
  return parsePacketAsJson({ data, dataType: "application/super+json" });
}
