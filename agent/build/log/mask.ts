/** Hides secrets in lines of logs. */

/** Shorter values occur everywhere by chance. */
const MIN_SECRET_CHARS = 6;
const MASK = "••••••";

export type Mask = {
  (text: string): string;
  /** Values to hide from now on. */
  add(values: Iterable<string>): void;
};

/** Hides every value of at least 6 characters, also its single lines and its escaped and encoded forms. */
export function createMask(secrets: Iterable<string> = []): Mask {
  const known = new Set<string>();
  let ordered: string[] = [];
  const mask = (text: string) => ordered.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
  const add = (values: Iterable<string>) => {
    for (const value of values) for (const form of formsOf(value)) known.add(form);
    // The longest first: a secret may contain another.
    ordered = [...known].sort((a, b) => b.length - a.length);
  };
  add(secrets);
  return Object.assign(mask, { add });
}

function formsOf(value: string): string[] {
  const plain = [value, ...value.split(/\r?\n/)].map((form) => form.trim());
  const forms = plain.flatMap((form) => [form, JSON.stringify(form).slice(1, -1), encodeURIComponent(form.toWellFormed())]);
  return forms.filter((form) => form.length >= MIN_SECRET_CHARS);
}
