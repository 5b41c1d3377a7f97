import {
  Ban,
  CircleCheck,
  CircleDashed,
  CirclePause,
  CirclePlay,
  CircleX,
  OctagonX,
  Package,
  RotateCw,
  Text,
  type LucideIcon,
} from "lucide-react";
import type { LifecycleIcon } from "~/presenters/views";

const ICONS: Record<LifecycleIcon | "log", LucideIcon> = {
  ok: CircleCheck,
  bad: CircleX,
  crash: OctagonX,
  late: RotateCw,
  wait: CirclePause,
  run: CirclePlay,
  hold: Package,
  idle: CircleDashed,
  canceled: Ban,
  log: Text,
};
const WORDS: Record<LifecycleIcon | "log", string> = {
  ok: "done",
  bad: "failed",
  crash: "crashed",
  late: "between attempts",
  wait: "waiting",
  run: "running",
  hold: "held back",
  idle: "not started",
  canceled: "canceled",
  log: "log line",
};

/** How a step of a run stands: an icon in the colour of its family, and the word for those who do not see it. */
export function GradeIcon({ grade, small = false }: { grade: LifecycleIcon | "log"; small?: boolean }) {
  const Icon = ICONS[grade];
  return (
    <>
      <Icon className={small ? "i s" : "i"} aria-hidden="true" />
      <span className="vh">{WORDS[grade]}: </span>
    </>
  );
}
