/** First problem of a failed parse, in one sentence that names the field. */
export function describeIssue(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  const issue = issues[0];
  if (!issue) return "The body is not valid.";
  const field = issue.path.map(String).join(".");
  return field ? `Invalid body: ${field}: ${issue.message}` : `Invalid body: ${issue.message}`;
}
