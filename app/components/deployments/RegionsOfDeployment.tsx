import { CircleCheck, CircleDot, CirclePause, CircleX, Moon, TriangleAlert, type LucideIcon } from "lucide-react";
import { EmptyValue } from "~/components/ui/Time";
import { useElapsed } from "~/hooks/useElapsed";
import type { InstanceState, InstanceView, RegionCardView, RegionHealthState } from "~/presenters/deployments/views";
import { formatDuration, plural } from "~/utils/format";

type Look = { word: string; icon: LucideIcon; family: string };

const REGION_LOOKS: Record<RegionHealthState, Look> = {
  healthy: { word: "Healthy", icon: CircleCheck, family: "ok" },
  starting: { word: "Starting", icon: CircleDot, family: "run" },
  failed: { word: "Failed", icon: CircleX, family: "bad" },
  silent: { word: "No agent", icon: TriangleAlert, family: "late" },
  stopped: { word: "Stopped", icon: Moon, family: "idle" },
};
const INSTANCE_LOOKS: Record<InstanceState, Look> = {
  preparing: { word: "Preparing", icon: CircleDot, family: "run" },
  running: { word: "Running", icon: CircleCheck, family: "ok" },
  draining: { word: "Draining", icon: CirclePause, family: "wait" },
  failed: { word: "Failed", icon: CircleX, family: "bad" },
  stopped: { word: "Stopped", icon: Moon, family: "idle" },
};

function Standing({ look }: { look: Look }) {
  const Icon = look.icon;
  return (
    <span className={`st c-${look.family}`}>
      <Icon className="i s" aria-hidden="true" />
      {look.word}
    </span>
  );
}

/** One card a target region: how many of its replicas run, and what was last heard. */
export function RegionCards({ regions }: { regions: readonly RegionCardView[] }) {
  return (
    <div className="regs">
      {regions.map((region) => (
        <section key={region.region} className="reg" aria-label={`Region ${region.region}`}>
          <div className="row between">
            <span className="row" style={{ gap: 6 }}>
              <b>{region.region}</b>
              <Standing look={REGION_LOOKS[region.state]} />
            </span>
            <span className="num">
              {region.running} of {region.desired}
            </span>
          </div>
          <div className={region.state === "healthy" ? "prog ok" : region.state === "failed" ? "prog bad" : "prog"}>
            <i style={{ width: `${percentOf(region)}%` }} />
          </div>
          <p className="meta muted">{region.note || "Nothing reported yet"}</p>
        </section>
      ))}
    </div>
  );
}

function percentOf({ running, desired, state }: RegionCardView): number {
  if (state === "failed") return 100;
  return desired === 0 ? 0 : Math.min(100, Math.round((running / desired) * 100));
}

type TableProps = { instances: readonly InstanceView[]; version: string; asOf: number; live: boolean };

/** Processes as their agents reported them. */
export function InstancesTable({ instances, version, asOf, live }: TableProps) {
  return (
    <div className="framed">
      <table className="inset insts stack">
        <caption>Instances of {version}</caption>
        <colgroup>
          <col style={{ width: 150 }} />
          <col style={{ width: 72 }} />
          <col style={{ width: 116 }} />
          <col />
          <col style={{ width: 96 }} />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Instance</th>
            <th scope="col">Region</th>
            <th scope="col">State</th>
            <th scope="col">Now</th>
            <th scope="col" className="right">
              Last seen
            </th>
          </tr>
        </thead>
        <tbody>
          {instances.map((instance) => (
            <tr key={instance.name}>
              <td className="mono">{instance.name}</td>
              <td>{instance.region}</td>
              <td>
                <Standing look={INSTANCE_LOOKS[instance.state]} />
              </td>
              <td className="soft full" title={instance.now ?? undefined}>
                {instance.now ?? <EmptyValue />}
                {instance.restarts > 0 ? `, ${plural(instance.restarts, "restart")}` : null}
              </td>
              <td className="num right soft">
                <Ago ms={asOf - instance.seenAt} asOf={asOf} live={live} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** "0.8 s ago", counting while the page is live. */
export function Ago({ ms, asOf, live }: { ms: number; asOf: number; live: boolean }) {
  const elapsed = useElapsed(asOf, live);
  return <>{formatDuration(Math.max(0, ms) + elapsed)} ago</>;
}
