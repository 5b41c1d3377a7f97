import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleDot,
  CirclePause,
  CirclePlay,
  CircleX,
  Clock,
  ClockAlert,
  OctagonX,
  Package,
  RotateCw,
  ServerCrash,
  TimerOff,
  type LucideIcon,
} from "lucide-react";
import type { ShownStatus } from "~/presenters/views";

type Look = { word: string; icon: LucideIcon; family: string };

const LOOKS: Record<ShownStatus, Look> = {
  DELAYED: { word: "Delayed", icon: Clock, family: "idle" },
  QUEUED: { word: "Queued", icon: CircleDashed, family: "idle" },
  PENDING_VERSION: { word: "Pending version", icon: Package, family: "hold" },
  DEQUEUED: { word: "Dequeued", icon: CircleDot, family: "run" },
  EXECUTING: { word: "Executing", icon: CirclePlay, family: "run" },
  RETRYING: { word: "Retrying", icon: RotateCw, family: "late" },
  WAITING: { word: "Waiting", icon: CirclePause, family: "wait" },
  COMPLETED: { word: "Completed", icon: CircleCheck, family: "ok" },
  FAILED: { word: "Failed", icon: CircleX, family: "bad" },
  CRASHED: { word: "Crashed", icon: OctagonX, family: "crash" },
  SYSTEM_FAILURE: { word: "System failure", icon: ServerCrash, family: "crash" },
  CANCELED: { word: "Canceled", icon: Ban, family: "idle" },
  EXPIRED: { word: "Expired", icon: TimerOff, family: "hold" },
  TIMED_OUT: { word: "Timed out", icon: ClockAlert, family: "late" },
};

/** For tables: the icon has the colour, the word is ink. `changed` fades the tint of its family once. */
export function Status({ status, changed = false }: { status: ShownStatus; changed?: boolean }) {
  const { word, icon: Icon, family } = LOOKS[status];
  return (
    <span className={`st c-${family}${changed ? " fresh-change" : ""}`}>
      <Icon className="i s" aria-hidden="true" />
      {word}
    </span>
  );
}

/** For page heads: icon and word on the tint of the family. */
export function StatusBadge({ status }: { status: ShownStatus }) {
  const { word, icon: Icon, family } = LOOKS[status];
  return (
    <span className={`badge c-${family}`}>
      <Icon className="i s" aria-hidden="true" />
      {word}
    </span>
  );
}

/** The icon alone in its colour, for a panel whose title already says the word. */
export function StatusIcon({ status }: { status: ShownStatus }) {
  const { icon: Icon, family } = LOOKS[status];
  return (
    <span className={`c-${family}`} style={{ color: "var(--c)" }}>
      <Icon className="i" aria-hidden="true" />
    </span>
  );
}
