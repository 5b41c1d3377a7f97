/** The variables of the environment that a build is for: only to hide them in its log. */
import { z } from "zod";
import { HttpClient } from "../server/http";

const answerSchema = z.object({ variables: z.record(z.string(), z.string()) });

export type VariablesInput = { apiUrl: string; projectRef: string; token: string; signal: AbortSignal };

/** Their values. Throws when they cannot be read: a log that hides nothing must not be written. */
export async function readVariables({ apiUrl, projectRef, token, signal }: VariablesInput): Promise<string[]> {
  const client = new HttpClient(apiUrl, { authorization: `Bearer ${token}` });
  try {
    const answer = await client.request("GET", `/api/v1/projects/${encodeURIComponent(projectRef)}/envvars`, { signal });
    if (answer.status !== 200) throw new Error(`The variables of the environment could not be read: status ${answer.status}`);
    return Object.values(answerSchema.parse(JSON.parse(answer.body.toString("utf8"))).variables);
  } finally {
    client.close();
  }
}
