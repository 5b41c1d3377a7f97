/** Where symbolic links of an archive really lead. A target that looks harmless by its text may leave through another link. */

/** More expansions than this is a loop, which leads nowhere and so not out. */
const MAX_EXPANSIONS = 100;

export class LinkMap {
  private readonly targets = new Map<string, string>();

  /** `name`: clean path of the link; `target`: its text, relative. */
  add(name: string, target: string): void {
    this.targets.set(name, target);
  }

  /** Forgets a link that another entry replaced. */
  remove(name: string): void {
    this.targets.delete(name);
  }

  /** The first link that leads out of the root, or null. */
  firstEscape(): string | null {
    for (const [name, target] of this.targets) if (this.escapes(name, target)) return name;
    return null;
  }

  private escapes(name: string, target: string): boolean {
    const at = name.split("/").slice(0, -1);
    let pending = target.split("/");
    for (let expansions = 0; pending.length > 0; ) {
      const [part = "", ...rest] = pending;
      pending = rest;
      if (part === "" || part === ".") continue;
      if (part === "..") {
        if (at.pop() === undefined) return true;
        continue;
      }
      const through = this.targets.get([...at, part].join("/"));
      if (through === undefined) at.push(part);
      else if (++expansions > MAX_EXPANSIONS) return false;
      else pending = [...through.split("/"), ...pending];
    }
    return false;
  }
}
