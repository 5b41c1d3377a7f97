/** Somebody who is signed in to the dashboard, without a browser. */
/** State of each phase's row on the progress page, by the phase's name. */
export type PhaseRows = ReadonlyMap<string, string>;

/** The rows in a page's HTML. */
export function phaseRows(html: string): PhaseRows {
  const rows = new Map<string, string>();
  for (const [tag] of html.matchAll(/<li [^>]*data-step="[^>]*>/g)) {
    const step = / data-step="([a-z]+)"/.exec(tag)?.[1];
    const state = / data-state="([a-z]+)"/.exec(tag)?.[1];
    if (step !== undefined && state !== undefined) rows.set(step, state);
  }
  return rows;
}

export class Session {
  private constructor(
    readonly origin: URL,
    private readonly cookie: string
  ) {}

  /** With the link that the first start wrote; it works once. */
  static async signIn(origin: URL, loginUrl: string): Promise<Session> {
    const token = new URL(loginUrl).searchParams.get("token") ?? "";
    const answer = await fetch(new URL("/login", origin), {
      method: "POST",
      redirect: "manual",
      headers: { origin: origin.origin },
      body: new URLSearchParams({ token, next: "/" }),
    });
    const cookie = answer.headers
      .getSetCookie()
      .map((line) => line.split(";")[0])
      .join("; ");
    if (answer.status !== 302 || cookie === "")
      throw new Error(`Signing in was answered with ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
    return new Session(origin, cookie);
  }

  /** Redirects are answers too. */
  open(pathname: string, signal?: AbortSignal): Promise<Response> {
    return fetch(new URL(pathname, this.origin), { redirect: "manual", headers: { cookie: this.cookie }, ...(signal ? { signal } : {}) });
  }

  /** Where a link that the CLI prints leads to. */
  async follow(pathname: string): Promise<string> {
    const answer = await this.open(pathname);
    const location = answer.headers.get("location");
    if (answer.status !== 302 || location === null) throw new Error(`${pathname} was answered with ${answer.status}: it leads nowhere.`);
    return location;
  }

  /** The whole page; throws unless it is 200. */
  async page(pathname: string): Promise<string> {
    const answer = await this.open(pathname);
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${pathname} was answered with ${answer.status}: ${text.slice(0, 300)}`);
    return text;
  }

  /** What the progress page shows. A browser would be led on at the end; who does not ask for HTML gets the page. */
  async progress(pathname: string): Promise<PhaseRows> {
    const rows = phaseRows(await this.page(pathname));
    if (rows.size === 0) throw new Error(`${pathname} shows no phases.`);
    return rows;
  }
}
