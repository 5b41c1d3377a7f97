import { Link, useLocation } from "@remix-run/react";
import { Activity, Braces, ChevronsUpDown, KeyRound, Package, Server, Terminal, UserRound, type LucideIcon } from "lucide-react";
import { useEffect, useRef } from "react";
import { Mark } from "~/components/ui/Mark";
import { FormToken } from "~/components/ui/forms";
import { useActivity } from "~/hooks/useActivity";
import type { ShellActivity, ShellData, ShellHealth, ShellInstallation, ShellPlace } from "~/presenters/shellView";
import { formatCount, plural } from "~/utils/format";
import { glyphOf } from "./place";

/** `count`: what is live, in words for those who do not see the number's place. */
type Item = { label: string; href: string; icon: LucideIcon; count?: { shown: string; rest: string; isMoving?: boolean } | null };
type Group = { title: string; items: Item[] };

function groupsOf(base: string, activity: ShellActivity | null): Group[] {
  const executing = activity?.executing ?? 0;
  const deploying = activity?.deploying ?? 0;
  return [
    {
      title: "Work",
      items: [
        {
          label: "Runs",
          href: `${base}/runs`,
          icon: Activity,
          count: executing > 0 ? { shown: formatCount(executing), rest: " executing" } : null,
        },
        { label: "Test", href: `${base}/test`, icon: Terminal },
      ],
    },
    {
      title: "Ship",
      items: [
        {
          label: "Deployments",
          href: `${base}/deployments`,
          icon: Package,
          count: deploying > 0 ? { shown: `${formatCount(deploying)} live`, rest: "", isMoving: true } : null,
        },
        { label: "Regions", href: `${base}/regions`, icon: Server },
        { label: "Environment variables", href: `${base}/variables`, icon: Braces },
      ],
    },
    {
      title: "Operate",
      items: [
        { label: "API keys", href: `${base}/keys`, icon: KeyRound },
        { label: "Access tokens", href: "/account/tokens", icon: UserRound },
      ],
    },
  ];
}

type Props = { shell: ShellData; place: ShellPlace | null; open: boolean; onNavigate: () => void };

/** Side navigation: mark, project and environment switcher, the pages, health and account at the foot. */
export function Nav({ shell, place, open, onNavigate }: Props) {
  const { pathname } = useLocation();
  const aside = useRef<HTMLElement>(null);
  useEffect(() => {
    if (open) aside.current?.querySelector("a")?.focus();
  }, [open]);
  const home = place ?? firstPlace(shell);
  const activity = useActivity(place?.environment.id ?? null, shell.activity);
  return (
    <aside ref={aside} className={open ? "nav open" : "nav"} id="nav" aria-label="Main">
      <Link className="brand" to="/" onClick={onNavigate}>
        <Mark />
        Sluice
      </Link>
      {home ? <Switcher shell={shell} place={home} pathname={pathname} /> : null}
      <nav onClick={onNavigate}>
        {(home ? groupsOf(home.environment.href, activity) : []).map((group) => (
          <div key={group.title}>
            <h3>{group.title}</h3>
            {group.items.map((item) => (
              <NavLink key={item.href} item={item} current={pathname === item.href || pathname.startsWith(`${item.href}/`)} />
            ))}
          </div>
        ))}
      </nav>
      <Foot shell={shell} />
    </aside>
  );
}

function NavLink({ item, current }: { item: Item; current: boolean }) {
  const Icon = item.icon;
  return (
    <Link to={item.href} prefetch="intent" aria-current={current ? "page" : undefined}>
      <Icon className="i" aria-hidden="true" />
      {item.label}
      {item.count ? (
        <span className={item.count.isMoving ? "n on" : "n"}>
          {item.count.shown}
          <span className="vh">{item.count.rest}</span>
        </span>
      ) : null}
    </Link>
  );
}

/** A `details`, so that it opens without JavaScript; choosing an environment keeps the page where it exists there. */
function Switcher({ shell, place, pathname }: { shell: ShellData; place: ShellPlace; pathname: string }) {
  const page =
    /^\/orgs\/[^/]+\/projects\/[^/]+\/env\/[^/]+\/(runs|test|keys|deployments|regions|variables|deploy-settings)/.exec(pathname)?.[1] ??
    "runs";
  return (
    <details className="switcher" key={pathname}>
      <summary className="switch" aria-label={`Project ${place.project.name}, environment ${place.environment.slug}. Switch`}>
        <i className={glyphOf(place.environment.slug)} />
        <span className="grow">
          <b className="cut">{place.project.name}</b>
          <span className="at">{place.environment.slug}</span>
        </span>
        <ChevronsUpDown className="i s" aria-hidden="true" />
      </summary>
      <div className="pop">
        {shell.projects.map((project) => (
          <div key={`${project.orgSlug}/${project.slug}`}>
            <h3>{project.name}</h3>
            {project.environments.map((environment) => (
              <Link
                key={environment.id}
                to={`${environment.href}/${page}`}
                aria-current={environment.id === place.environment.id ? "true" : undefined}
              >
                <i className={glyphOf(environment.slug)} />
                {environment.slug}
                {environment.paused ? <span className="tag">paused</span> : null}
              </Link>
            ))}
          </div>
        ))}
      </div>
    </details>
  );
}

function Foot({ shell }: { shell: ShellData }) {
  return (
    <div className="foot">
      <div className="row">
        <span className="cut grow" title={shell.email}>
          {shell.email}
        </span>
        <form method="post" action="/logout">
          <FormToken intent="sign-out" />
          <button type="submit" className="link">
            Sign out
          </button>
        </form>
      </div>
      <Health health={shell.health} />
    </div>
  );
}

function Health({ health }: { health: ShellHealth }) {
  const healthy = health.postgresMs !== null && health.redisMs !== null;
  const part = (name: string, ms: number | null) =>
    ms === null ? `${name} does not answer` : `${name} ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return (
    <>
      <div className="row">
        <i className={healthy ? "dot ok" : "dot bad"} />
        <b className="grow">{healthy ? "Healthy" : "Degraded"}</b>
        {health.installation ? <span className="num">{processWords(health.installation.processes)}</span> : null}
      </div>
      <div className="num">
        {part("Postgres", health.postgresMs)} · {part("Redis", health.redisMs)}
      </div>
      {health.installation ? <div className="num">{regionWords(health.installation)}</div> : null}
    </>
  );
}

function processWords(processes: number): string {
  return processes === 1 ? "1 process" : `${formatCount(processes)} processes`;
}

function regionWords({ regions, connected }: ShellInstallation): string {
  return regions === 0 ? "No region yet" : `${formatCount(connected)} of ${plural(regions, "region")} connected`;
}

function firstPlace(shell: ShellData): ShellPlace | null {
  const project = shell.projects[0];
  const environment = project?.environments[0];
  return project && environment ? { project, environment } : null;
}
