import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleX,
  ClockAlert,
  FastForward,
  Flag,
  Hammer,
  Moon,
  Power,
  Route,
  Server,
  SkipForward,
  UserCheck,
  type LucideIcon,
} from "lucide-react";
import type { Step } from "~/deployments/phases";
import { DEPLOYMENT_WORDS } from "~/utils/deploymentWords";
import type { PhaseView, ShownDeployment } from "~/presenters/deployments/views";

type Look = { icon: LucideIcon; family: string };

const LOOKS: Record<ShownDeployment, Look> = {
  queued: { icon: CircleDashed, family: "idle" },
  awaiting_approval: { icon: UserCheck, family: "hold" },
  starting: { icon: Power, family: "run" },
  building: { icon: Hammer, family: "run" },
  deploying: { icon: Server, family: "run" },
  network: { icon: Route, family: "run" },
  finalizing: { icon: Flag, family: "run" },
  ready: { icon: CircleCheck, family: "ok" },
  stopped: { icon: Moon, family: "idle" },
  failed: { icon: CircleX, family: "bad" },
  timed_out: { icon: ClockAlert, family: "late" },
  cancelled: { icon: Ban, family: "idle" },
  superseded: { icon: FastForward, family: "idle" },
  skipped: { icon: SkipForward, family: "idle" },
};

/** For tables and sides: the icon has the colour, the word is ink. */
export function DeploymentStatus({ status }: { status: ShownDeployment }) {
  const { icon: Icon, family } = LOOKS[status];
  return (
    <span className={`st c-${family}`}>
      <Icon className="i s" aria-hidden="true" />
      {DEPLOYMENT_WORDS[status]}
    </span>
  );
}

/** For page heads. */
export function DeploymentBadge({ status }: { status: ShownDeployment }) {
  const { icon: Icon, family } = LOOKS[status];
  return (
    <span className={`badge c-${family}`}>
      <Icon className="i s" aria-hidden="true" />
      {DEPLOYMENT_WORDS[status]}
    </span>
  );
}

/** Icon and family of a phase's row. */
export function phaseLook(row: Pick<PhaseView, "step" | "state" | "interrupted">): Look {
  switch (row.state) {
    case "pending":
      return LOOKS.queued;
    case "active":
      return { icon: iconOfActive(row.step), family: "run" };
    case "completed":
      return LOOKS.ready;
    case "error":
      return row.interrupted ? LOOKS.cancelled : LOOKS.failed;
    case "skipped":
      return LOOKS.skipped;
  }
}

function iconOfActive(step: Step): LucideIcon {
  return LOOKS[step].icon;
}
