/** Tailwind reads the palette of `app/styles/tokens.css`, so that utilities and parts share one set of colours. */
import type { Config } from "tailwindcss";

const tokens = [
  "canvas",
  "surface",
  "sunken",
  "hover",
  "selected",
  "line",
  "line-strong",
  "control",
  "ink",
  "ink-2",
  "ink-3",
  "accent",
  "accent-ink",
  "accent-soft",
  "on-accent",
  "ok",
  "ok-soft",
  "bad",
  "bad-soft",
  "crash",
  "late",
  "late-soft",
  "hold",
  "wait",
  "idle",
  "focus",
];

export default {
  content: ["./app/**/*.{ts,tsx}"],
  theme: {
    colors: { transparent: "transparent", current: "currentColor", ...Object.fromEntries(tokens.map((name) => [name, `var(--${name})`])) },
    fontFamily: { sans: "var(--font-sans)", mono: "var(--font-mono)" },
    fontSize: {
      tick: ["11px", "14px"],
      meta: ["12px", "16px"],
      mono: ["12px", "18px"],
      body: ["13px", "20px"],
      section: ["14px", "20px"],
      title: ["18px", "24px"],
    },
    borderRadius: { none: "0", badge: "var(--r-badge)", control: "var(--r-control)", panel: "var(--r-panel)", dialog: "var(--r-dialog)" },
    extend: {},
  },
} satisfies Config;
