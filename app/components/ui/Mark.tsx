/** The mark: two posts, a lifted plate, water running under it. Frame in ink, water in accent. `size` in pixels. */
export function Mark({ size = 20 }: { size?: number }) {
  const wave = "c1.7-1.5 3.4-1.5 5.1 0s3.4 1.5 5.1 0 3.4-1.5 5.1 0 3.4 1.5 5.1 0";
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path className="frame" d="M5 2.4v11M19 2.4v11" strokeWidth="2.3" strokeLinecap="round" />
      <rect className="plate" x="7.9" y="2.4" width="8.2" height="9" rx="1" />
      <path className="water" d={`M1.8 17.1${wave}M1.8 21.4${wave}`} strokeWidth="2.1" strokeLinecap="round" />
    </svg>
  );
}
